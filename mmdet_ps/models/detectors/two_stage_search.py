"""Person search on Faster R-CNN, with whatever box head."""

from mmdet.models import DETECTORS
from mmdet.models.detectors import TwoStageDetector
from torch import Tensor

from .search_mixin import ROI_ALIGN, NamedFeats, SearchTestMixin, check_pids_given


@DETECTORS.register_module()
class TwoStageSearch(SearchTestMixin, TwoStageDetector):
    """Backbone to C4, RPN and `SearchRoIHead`; a test's features are named ``'roi_align'``.

    With `NAEBBoxHead` it is the RoI-Align branch of ROI-AlignPS trained alone (Table VI of arXiv
    2109.00211), with `OIMBBoxHead` the detector of Xiao et al. (CVPR 2017).
    """

    def forward_train(
        self, *args: object, gt_pids: list[Tensor] | None = None, **kwargs: object
    ) -> dict[str, Tensor]:
        """Compute the losses of RPN and RoI head.

        Args:
            *args: As in mmdet's ``TwoStageDetector``.
            gt_pids: N tensors (G_i,) int64, -1 = no identity.
            **kwargs: As in mmdet's ``TwoStageDetector``.

        Returns:
            ``loss_rpn_cls``, ``loss_rpn_bbox``, ``loss_cls``, ``loss_bbox`` and the re-id loss's
            names.
        """
        check_pids_given(gt_pids)
        return super().forward_train(*args, gt_pids=gt_pids, **kwargs)

    def _read(self, img: Tensor) -> tuple[Tensor, ...]:
        return self.extract_feat(img)

    def _detect(
        self, read: tuple[Tensor, ...], img_metas: list[dict]
    ) -> tuple[list[Tensor], NamedFeats]:
        proposals = self.rpn_head.simple_test_rpn(read, img_metas)
        found = self.roi_head.simple_test(read, proposals, img_metas)
        return [dets for dets, _ in found], [{ROI_ALIGN: feats} for _, feats in found]

    def _describe(self, read: tuple[Tensor, ...], boxes: list[Tensor]) -> NamedFeats:
        return [{ROI_ALIGN: feats} for feats in self.roi_head.box_embeddings(read, boxes)]
