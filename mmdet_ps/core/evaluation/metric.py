"""Average precision and ranks, by counting: nothing but the scores themselves is sorted.

Shorthand in this module: n scores of all detections, h of them those of true positives.
"""

import numpy as np


def average_precision(hits: np.ndarray, ranked: np.ndarray, truths: int) -> float:
    """Step-wise average precision times recall: precisions at the true positives / ground truths.

    Equal scores are one step, as in scikit-learn's ``average_precision_score``: precision at a true
    positive is the share of true positives among all detections that score at least as much.

    Args:
        hits: (h,) scores of the true positives.
        ranked: (n,) scores of all detections, ascending.
        truths: number of ground truths, at least h.

    Returns:
        0..1; 0 without a true positive.
    """
    if len(hits) == 0:
        return 0.0
    at_least = len(ranked) - np.searchsorted(ranked, hits)
    as_good = len(hits) - np.searchsorted(np.sort(hits), hits)
    return float((as_good / at_least).sum() / truths)


def ranks_of(columns: np.ndarray, scores: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """Rank, from 0, of some of the detections; equal scores keep their order: (h,) int64.

    Args:
        columns: (h,) places of the detections in ``scores``.
        scores: (n,).
        ranked: (n,) the same, ascending.
    """
    asked = scores[columns]
    better = len(ranked) - np.searchsorted(ranked, asked, side='right')
    equal = len(ranked) - np.searchsorted(ranked, asked) - better
    for i in np.flatnonzero(equal > 1):
        better[i] += np.count_nonzero(scores[: columns[i]] == asked[i])
    return better


def best_columns(scores: np.ndarray, ranked: np.ndarray, count: int) -> np.ndarray:
    """Places of the ``count`` best scores, best first; equal scores keep their order."""
    if len(scores) == 0:
        return np.zeros(0, np.int64)
    columns = np.flatnonzero(scores >= ranked[-min(count, len(ranked))])
    return columns[np.argsort(-scores[columns], kind='stable')[:count]]
