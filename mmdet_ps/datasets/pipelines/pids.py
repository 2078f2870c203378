"""Identities that stay with their boxes."""

from typing import Any

import numpy as np
from mmcv.utils import build_from_cfg
from mmdet.datasets import PIPELINES


@PIPELINES.register_module()
class WithPids:
    """Run a transform that may drop or reorder boxes and let ``gt_pids`` follow.

    mmdet's cropping, shifting, affine and filtering transforms keep ``gt_labels`` beside the boxes
    but know nothing of ``gt_pids``. While the transform runs, the labels are replaced by the number
    of each box; which boxes are left, and in what order, can then be read off. Transforms that mix
    several pictures (Mosaic, MixUp: ``mix_results``) are numbered through.

    Args:
        transform: config of the wrapped transform.
    """

    def __init__(self, transform: dict[str, Any]):
        self.transform = build_from_cfg(transform, PIPELINES)
        # MultiImageMixDataset takes a step with this method for one that mixes pictures.
        if hasattr(self.transform, 'get_indexes'):
            self.get_indexes = self.transform.get_indexes

    def __call__(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Transform; ``None`` (picture refused) is passed on."""
        sources = [results, *results.get('mix_results', [])]
        labels = np.concatenate([source['gt_labels'] for source in sources])
        pids = np.concatenate([source['gt_pids'] for source in sources])
        start = 0
        for source in sources:
            stop = start + len(source['gt_bboxes'])
            source['gt_labels'] = np.arange(start, stop)
            start = stop
        results = self.transform(results)
        if results is None:
            return None
        kept = results['gt_labels'].astype(np.int64)
        results['gt_labels'], results['gt_pids'] = labels[kept], pids[kept]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(transform={self.transform})'
