"""AlignPS: anchor-free person search in one stage (arXiv 2109.00211, section III)."""

from mmdet.models import DETECTORS
from mmdet.models.detectors import SingleStageDetector
from torch import Tensor

from .search_mixin import ALIGNPS, NamedFeats, SearchTestMixin, check_pids_given


@DETECTORS.register_module()
class AlignPS(SearchTestMixin, SingleStageDetector):
    """Backbone, `AFA` neck and `FCOSReIDHead`; a test's features are named ``'alignps'``."""

    def forward_train(
        self,
        img: Tensor,
        img_metas: list[dict],
        gt_bboxes: list[Tensor],
        gt_labels: list[Tensor],
        gt_bboxes_ignore: list[Tensor] | None = None,
        gt_pids: list[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of the head.

        Args:
            img: (N, 3, H, W), normalised and padded.
            img_metas: One dict an image.
            gt_bboxes: N tensors (G_i, 4), xyxy pixels of the resized image.
            gt_labels: N tensors (G_i,) int64, all 0.
            gt_bboxes_ignore: Not used.
            gt_pids: N tensors (G_i,) int64, -1 = no identity; needed with a re-id loss.

        Returns:
            Losses by name.
        """
        if self.bbox_head.loss_reid is not None:
            check_pids_given(gt_pids)
        maps = self.extract_feat(img)
        return self.bbox_head.forward_train(
            maps, img_metas, gt_bboxes, gt_labels, gt_bboxes_ignore, gt_pids
        )

    def _read(self, img: Tensor) -> tuple[tuple[Tensor, ...], tuple[list[Tensor], ...]]:
        """Give the backbone's maps and the head's predictions."""
        backbone_maps = self.backbone(img)
        return backbone_maps, self.bbox_head(self.neck(backbone_maps))

    def _detect(self, read: tuple, img_metas: list[dict]) -> tuple[list[Tensor], NamedFeats]:
        found = self.bbox_head.get_bboxes(*read[1], img_metas)
        return [dets for dets, _ in found], [{ALIGNPS: feats} for _, feats in found]

    def _describe(self, read: tuple, boxes: list[Tensor]) -> NamedFeats:
        return [{ALIGNPS: feats} for feats in self.bbox_head.box_embeddings(read[1][-1], boxes)]
