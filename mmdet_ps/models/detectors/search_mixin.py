"""What every person search model does in a test: find people, or describe given boxes."""

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor

# Feature names in results, of the anchor-free branch and of the RoI-Align branch.
ALIGNPS = 'alignps'
ROI_ALIGN = 'roi_align'

NamedFeats = list[dict[str, Tensor]]


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
    # A copy: on the CPU the array would share the memory of the caller's boxes.
    bboxes = dets.float().cpu().numpy().copy()
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


def check_pids_given(gt_pids: list[Tensor] | None) -> None:
    """Refuse to train a re-id loss without identities.

    Raises:
        KeyError: With the config key that cures it.
    """
    if gt_pids is None:
        raise KeyError(
            "the re-id loss needs gt_pids: name 'gt_pids' in the keys of Collect "
            'in the training pipeline'
        )


class SearchTestMixin:
    """Mix-in for detectors: `simple_test` in terms of `_read`, `_detect` and `_describe`.

    A test gives one dict an image: ``bboxes`` (n, 5) xyxy and score, best first, and ``feats``, by
    name, (n, D), L2-normalised.
    """

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
        read = self._read(img)
        if gt_bboxes is None:
            dets, feats = self._detect(read, img_metas)
        else:
            dets = [torch.cat((boxes, boxes.new_ones(len(boxes), 1)), dim=1) for boxes in gt_bboxes]
            feats = self._describe(read, gt_bboxes)
        results = [
            search_result(dets[i], feats[i], meta, rescale) for i, meta in enumerate(img_metas)
        ]
        if query_bboxes is not None:
            feats = self._describe(read, query_bboxes)
            for i, meta in enumerate(img_metas):
                query = search_result(query_bboxes[i], feats[i], meta, rescale)
                results[i].update(query_boxes=query['bboxes'], query_feats=query['feats'])
        return results

    @abstractmethod
    def _read(self, img: Tensor) -> object:
        """Run what detection and description share, once a batch."""

    @abstractmethod
    def _detect(self, read: object, img_metas: list[dict]) -> tuple[list[Tensor], NamedFeats]:
        """Find people: an image, (n, 5) xyxy and score in resized pixels, and their features."""

    @abstractmethod
    def _describe(self, read: object, boxes: list[Tensor]) -> NamedFeats:
        """Give the features of boxes (n_i, 4) in pixels of the resized image."""
