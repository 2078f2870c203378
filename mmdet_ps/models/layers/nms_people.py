"""From candidates to people, in dense heads and RoI heads alike."""

import torch.nn.functional as F
from mmdet.core import multiclass_nms
from torch import Tensor


def nms_people(
    boxes: Tensor, scores: Tensor, feats: Tensor, cfg: dict, score_factors: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Suppress what overlaps a better candidate, and keep each one's features.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n,), 0..1.
        feats: (n, D).
        cfg: ``score_thr``, ``nms``, ``max_per_img``.
        score_factors: (n,), multiplied into the scores after the threshold.

    Returns:
        (m, 5) xyxy and score, best first, and their features (m, D).
    """
    dets, _, kept = multiclass_nms(
        boxes,
        # A column of the background class, which multiclass_nms drops.
        F.pad(scores[:, None], (0, 1)),
        cfg['score_thr'],
        cfg['nms'],
        cfg['max_per_img'],
        score_factors=score_factors,
        return_inds=True,
    )
    return dets, feats[kept]
