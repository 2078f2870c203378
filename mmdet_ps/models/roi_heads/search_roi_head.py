"""RoI head of the two-stage models, and of the RoI-Align branch of ROI-AlignPS.

Shapes: N images, R RoIs of the batch, D embedding size.
"""

from typing import NamedTuple

import torch
from mmdet.core import bbox2roi
from mmdet.models import HEADS
from mmdet.models.roi_heads import StandardRoIHead
from torch import Tensor

from mmdet_ps.models.losses.toim_loss import People


class Stage(NamedTuple):
    """What a stage of training gives.

    Attributes:
        losses: Of detection, by name.
        boxes: N tensors (R_i, 4), the sampled RoIs.
        deltas: (R, 4), what the head predicts for them, or for the one that stands in for none.
        people: Unit embeddings (M, D) and pids (M,) of the positive RoIs.
    """

    losses: dict[str, Tensor]
    boxes: list[Tensor]
    deltas: Tensor
    people: tuple[Tensor, Tensor]


@HEADS.register_module()
class SearchRoIHead(StandardRoIHead):
    """RoIAlign on C4, own res5 (``shared_head``), and a `SearchBBoxHead` that reads both maps."""

    def forward_train(
        self,
        x: tuple[Tensor, ...],
        img_metas: list[dict],
        proposal_list: list[Tensor],
        gt_bboxes: list[Tensor],
        gt_labels: list[Tensor],
        gt_bboxes_ignore: list[Tensor] | None = None,
        gt_masks: None = None,
        gt_pids: list[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Sample RoIs and compute the losses.

        Args:
            x: The map of C4, (N, C, H / 16, W / 16), as a tuple of one.
            img_metas: N dicts.
            proposal_list: N tensors (n_i, 4 or more), xyxy pixels of the resized image.
            gt_bboxes: N tensors (G_i, 4), xyxy pixels of the resized image.
            gt_labels: N tensors (G_i,) int64, all 0.
            gt_bboxes_ignore: N tensors (I_i, 4), or None.
            gt_masks: Not used.
            gt_pids: N tensors (G_i,) int64, -1 = no identity.

        Returns:
            ``loss_cls``, ``loss_bbox`` and the re-id loss's own names.
        """
        return self.losses_and_people(
            x, img_metas, proposal_list, gt_bboxes, gt_labels, gt_bboxes_ignore, gt_pids
        )[0]

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
        """Do what `forward_train` does, and give the people as well.

        Returns:
            Losses by name; the people at the positive RoIs.
        """
        stage = self._train_stage(x, proposal_list, gt_bboxes, gt_labels, gt_bboxes_ignore, gt_pids)
        reid_losses, people = self.bbox_head.loss_reid.losses_and_people(*stage.people)
        return stage.losses | reid_losses, people

    def _train_stage(
        self,
        x: tuple[Tensor, ...],
        proposal_list: list[Tensor],
        gt_bboxes: list[Tensor],
        gt_labels: list[Tensor],
        gt_bboxes_ignore: list[Tensor] | None,
        gt_pids: list[Tensor],
    ) -> Stage:
        """Sample RoIs, describe them and compute the detection losses."""
        samples = []
        for image, proposals in enumerate(proposal_list):
            ignored = None if gt_bboxes_ignore is None else gt_bboxes_ignore[image]
            boxes, labels = gt_bboxes[image], gt_labels[image]
            assigned = self.bbox_assigner.assign(proposals[:, :4], boxes, ignored, labels)
            samples.append(self.bbox_sampler.sample(assigned, proposals[:, :4], boxes, labels))
        sampled = [sample.bboxes for sample in samples]
        rois = bbox2roi(sampled)
        targets = self.bbox_head.get_targets(samples, gt_bboxes, gt_labels, self.train_cfg)
        if len(rois) == 0:
            rois, targets = self._placeholder(x[0], *targets)
        outs = self._bbox_forward(x, rois)
        losses = self.bbox_head.loss(outs['cls_score'], outs['bbox_pred'], rois, *targets)
        # In each image the positives lead, in the order of their ground truths' indices.
        pids = [
            pids[sample.pos_assigned_gt_inds] for pids, sample in zip(gt_pids, samples, strict=True)
        ]
        people = outs['embeddings'][targets[0] == 0], torch.cat(pids)
        return Stage(losses, sampled, outs['bbox_pred'], people)

    def _placeholder(self, c4: Tensor, *targets: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Stand in for a batch without RoIs: one of the whole picture, of weight 0.

        So every parameter has its gradient, as DistributedDataParallel expects.
        """
        stride = self.bbox_roi_extractor.featmap_strides[0]
        height, width = c4.shape[-2:]
        # Of the boxes' type: in mixed precision the map may be half.
        rois = targets[-1].new_tensor([[0, 0, 0, width * stride, height * stride]])
        labels, *others = (target.new_zeros(1, *target.shape[1:]) for target in targets)
        return rois, (labels + self.bbox_head.num_classes, *others)

    def _bbox_forward(self, x: tuple[Tensor, ...], rois: Tensor) -> dict[str, Tensor]:
        """Describe RoIs (R, 5): what a `SearchBBoxHead` predicts of them."""
        c4 = self.bbox_roi_extractor(x[:1], rois)
        names = ('cls_score', 'bbox_pred', 'embeddings')
        return dict(zip(names, self.bbox_head(c4, self.shared_head(c4)), strict=True))

    def box_embeddings(self, x: tuple[Tensor, ...], boxes: list[Tensor]) -> list[Tensor]:
        """Describe given boxes as they are, without moving them.

        Args:
            x: The map of C4, as a tuple of one.
            boxes: N tensors (n_i, 4 or more), xyxy pixels of the resized image.

        Returns:
            N tensors (n_i, D), L2-normalised.
        """
        outs = self._bbox_forward(x, bbox2roi(boxes))
        return list(outs['embeddings'].split([len(image_boxes) for image_boxes in boxes]))

    def simple_test(
        self,
        x: tuple[Tensor, ...],
        proposal_list: list[Tensor],
        img_metas: list[dict],
        **kwargs: object,
    ) -> list[tuple[Tensor, Tensor]]:
        """Find people among proposals.

        Args:
            x: The map of C4, as a tuple of one.
            proposal_list: N tensors (n_i, 4 or more), xyxy pixels of the resized image.
            img_metas: N dicts with ``img_shape``.
            **kwargs: Not used.

        Returns:
            An image: (n, 5) xyxy and score in pixels of the resized image, best first, and their
            embeddings (n, D), L2-normalised.
        """
        return self._detect(x, proposal_list, None, img_metas, self.test_cfg)

    def _detect(
        self,
        x: tuple[Tensor, ...],
        boxes: list[Tensor],
        scores: Tensor | None,
        img_metas: list[dict],
        cfg: dict,
    ) -> list[tuple[Tensor, Tensor]]:
        """Find people among boxes, N tensors (n_i, 4 or more), with other scores where given."""
        rois = bbox2roi(boxes)
        outs = self._bbox_forward(x, rois)
        if scores is None:
            scores = self.bbox_head.scores(outs['cls_score'])
        sizes = [len(image_boxes) for image_boxes in boxes]
        parts = (rois, scores, outs['bbox_pred'], outs['embeddings'])
        by_image = zip(*(part.split(sizes) for part in parts), strict=True)
        return [
            self.bbox_head.get_bboxes(*image_parts, meta['img_shape'], cfg)
            for image_parts, meta in zip(by_image, img_metas, strict=True)
        ]
