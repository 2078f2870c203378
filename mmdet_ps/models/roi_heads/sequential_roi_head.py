"""RoI head of SeqNet (Li and Miao, "Sequential End-to-end Network", AAAI 2021).

Shapes: N images, D embedding size.
"""

import torch
from mmdet.models import HEADS
from torch import Tensor

from mmdet_ps.models.losses.toim_loss import People

from .search_roi_head import SearchRoIHead


@HEADS.register_module()
class SequentialRoIHead(SearchRoIHead):
    """A head that finds people, and after it one that describes the boxes which the first gives.

    Each has its own res5. In training the first head's boxes of the sampled RoIs are clipped,
    detached, and assigned and sampled anew for the second, so no gradient of the second reaches
    the first through a box. In a test the first head decides who is a person: its threshold and
    suppression come first, and its score stays with the box that the second moves.

    Args:
        first: Config of a `SearchRoIHead` whose box head has no re-id loss.
        train_cfg: As in `SearchRoIHead`, for both heads.
        test_cfg: That of the second head, and ``first`` for the first: ``score_thr``, ``nms``,
            ``max_per_img`` each.
        **kwargs: Arguments of `SearchRoIHead`, the second head.
    """

    def __init__(
        self,
        first: dict,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(train_cfg=train_cfg, test_cfg=test_cfg, **kwargs)
        own = test_cfg and test_cfg.get('first')
        self.first = HEADS.build(first, default_args=dict(train_cfg=train_cfg, test_cfg=own))

    def losses_and_people(
        self,
        x: tuple[Tensor, ...],
        img_metas: list[dict],
        proposal_list: list[Tensor],
        gt_bboxes: list[Tensor],
        gt_labels: list[Tensor],
        gt_bboxes_ignore: list[Tensor] | None = None,
        gt_pids: list[Tensor] | None = None,
    ) -> tuple[dict[str, Tensor], People]:
        """Train both heads; see `SearchRoIHead`.

        Returns:
            Losses by name, those of the first head after ``first_``; the people at the second
            head's positive RoIs.
        """
        stage = self.first._train_stage(
            x, proposal_list, gt_bboxes, gt_labels, gt_bboxes_ignore, gt_pids
        )
        losses, people = super().losses_and_people(
            x,
            img_metas,
            self._refined(stage.boxes, stage.deltas, img_metas),
            gt_bboxes,
            gt_labels,
            gt_bboxes_ignore,
            gt_pids,
        )
        first = {f'first_{name}': loss for name, loss in stage.losses.items()}
        return first | losses, people

    def _refined(self, boxes: list[Tensor], deltas: Tensor, img_metas: list[dict]) -> list[Tensor]:
        """Move boxes as the first head predicts, clip them to their pictures, cut the gradient."""
        # Where nothing was sampled, the deltas are those of what stood in.
        parts = deltas.detach()[: sum(map(len, boxes))].split([len(part) for part in boxes])
        decode = self.first.bbox_head.bbox_coder.decode
        return [
            decode(image_boxes, image_deltas, max_shape=meta['img_shape'])
            for image_boxes, image_deltas, meta in zip(boxes, parts, img_metas, strict=True)
        ]

    def simple_test(
        self,
        x: tuple[Tensor, ...],
        proposal_list: list[Tensor],
        img_metas: list[dict],
        **kwargs: object,
    ) -> list[tuple[Tensor, Tensor]]:
        """Find people among proposals with both heads in turn; see `SearchRoIHead`."""
        found = self.first.simple_test(x, proposal_list, img_metas)
        dets = [image_dets for image_dets, _ in found]
        scores = torch.cat([image_dets[:, 4] for image_dets in dets])
        return self._detect(x, dets, scores, img_metas, self.test_cfg)
