"""AlignPS: anchor-free person search in one stage (arXiv 2109.00211, section III)."""

import numpy as np
import torch
from mmdet.models import DETECTORS
from mmdet.models.detectors import SingleStageDetector
from torch import Tensor

FEATURE = 'alignps'


def search_result(dets: Tensor, feats: dict[str, Tensor], meta: dict, rescale: bool) -> dict:
    """Make the project's result of an image.

    Args:
        dets: (n, 5) xyxy and score, in pixels of the resized image.
        feats: By name, (n, D), L2-normalised.
        meta: The image's meta with ``scale_factor``.
        rescale: Whether boxes are wanted in pixels of the original image.

    Returns:
        ``bboxes`` float32 (n, 5) and ``feats``, float32 arrays (n, D) by name.
    """
    bboxes = dets.float().cpu().numpy()
    if rescale:
        bboxes[:, :4] /= np.asarray(meta['scale_factor'], dtype=np.float32)
    return dict(bboxes=bboxes, feats={name: f.float().cpu().numpy() for name, f in feats.items()})


def unwrap_boxes(boxes: object) -> list[Tensor]:
    """Take given boxes of a batch out of what the test loader puts around them.

    The outer list is the test-time augmentation, of which there is one.
    """
    inner = boxes[0] if isinstance(boxes, list | tuple) else boxes
    if isinstance(inner, Tensor):
        return [inner] if inner.dim() == 2 else list(inner)
    return list(inner)


@DETECTORS.register_module()
class AlignPS(SingleStageDetector):
    """Backbone, `AFA` neck and `FCOSReIDHead`.

    A test gives one dict an image: ``bboxes`` (n, 5) xyxy and score, best first, and ``feats``, by
    name, (n, D), L2-normalised.
    """

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
            gt_pids: N tensors (G_i,) int64, -1 = no identity.

        Returns:
            Losses by name.
        """
        maps = self.extract_feat(img)
        return self.bbox_head.forward_train(
            maps, img_metas, gt_bboxes, gt_labels, gt_bboxes_ignore, gt_pids
        )

    def forward_test(self, imgs: list[Tensor], img_metas: list[list[dict]], **kwargs: object):
        """Test a batch; boxes given beside the images come as the loader wraps them."""
        for key in ('gt_bboxes', 'query_bboxes'):
            if kwargs.get(key) is not None:
                kwargs[key] = unwrap_boxes(kwargs[key])
        return super().forward_test(imgs, img_metas, **kwargs)

    def simple_test(
        self,
        img: Tensor,
        img_metas: list[dict],
        rescale: bool = False,
        gt_bboxes: list[Tensor] | None = None,
        query_bboxes: list[Tensor] | None = None,
    ) -> list[dict]:
        """Find people, or describe those whose boxes are given.

        Args:
            img: (N, 3, H, W), normalised and padded.
            img_metas: N dicts with ``img_shape`` and ``scale_factor``.
            rescale: Whether boxes are wanted in pixels of the original image.
            gt_bboxes: N tensors (n_i, 4) in pixels of the resized image; where given, the result
                describes these boxes, with score 1, and nothing is detected.
            query_bboxes: N tensors (k_i, 4) in pixels of the resized image; where given, the result
                has ``query_boxes`` (k, 4) and ``query_feats``, by name, (k, D), besides.

        Returns:
            One dict an image; see the class.
        """
        backbone_maps = self.backbone(img)
        outs = self.bbox_head(self.neck(backbone_maps))
        if gt_bboxes is None:
            found = self.bbox_head.get_bboxes(*outs, img_metas)
            dets, feats = [dets for dets, _ in found], [feats for _, feats in found]
        else:
            dets = [torch.cat((boxes, boxes.new_ones(len(boxes), 1)), dim=1) for boxes in gt_bboxes]
            feats = self.bbox_head.box_embeddings(outs[-1], gt_bboxes)
        named = self._all_feats(backbone_maps, dets, feats)
        results = [
            search_result(dets[i], named[i], meta, rescale) for i, meta in enumerate(img_metas)
        ]
        if query_bboxes is not None:
            feats = self.bbox_head.box_embeddings(outs[-1], query_bboxes)
            named = self._all_feats(backbone_maps, query_bboxes, feats)
            for i, meta in enumerate(img_metas):
                query = search_result(query_bboxes[i], named[i], meta, rescale)
                results[i].update(query_boxes=query['bboxes'], query_feats=query['feats'])
        return results

    def _all_feats(
        self, backbone_maps: tuple[Tensor, ...], boxes: list[Tensor], feats: list[Tensor]
    ) -> list[dict[str, Tensor]]:
        """Name the features of each image's boxes; models with more branches add theirs here."""
        return [{FEATURE: image_feats} for image_feats in feats]
