"""From the similarities of a block of queries to average precisions and ranks.

Nothing is sorted that does not need to be: a rank is the number of detections that are more
similar.

Shorthand in this module: G ground truths and C candidates over all queries; B queries and L columns
in a block, H true positives in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .boxes import match_threshold, offsets, paired_iou, ranges
from .similarity import Layout

_PAIRS = 1 << 17  # boxes that are compared at a time
_CELLS = 1 << 20  # similarities that are compared with a score at a time
_SHORT = 8192  # rows up to this length are compared with many scores at a time
_FEW = 16  # scores that a long row is compared with before it is shortened


@dataclass
class Candidates:
    """Detections that overlap a ground truth enough, by query.

    Attributes:
        indptr: (Q + 1,) row pointer.
        truths: (C,) number of the ground truth, counted over all queries; ascending.
        columns: (C,) column of the detection in the query's row of similarities.
    """

    indptr: np.ndarray
    truths: np.ndarray
    columns: np.ndarray


def find_candidates(layout: Layout) -> Candidates:
    """Detections with IoU >= min(0.5, w h / ((w + 10) (h + 10))) for each ground truth."""
    protocol, gallery = layout.protocol, layout.gallery
    images, columns, counts = layout.truths()
    thresholds = match_threshold(protocol.gt_boxes)
    ends = np.cumsum(counts)
    truths, inner = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    first = 0
    while first < len(counts):
        limit = ends[first] + _PAIRS
        last = max(int(np.searchsorted(ends, limit, side='right')), first + 1)
        part = slice(first, last)
        owner = np.repeat(np.arange(first, last), counts[part])
        found = ranges(gallery.indptr[images[part]], counts[part])
        iou = paired_iou(gallery.boxes[found], protocol.gt_boxes[owner])
        hit = iou >= thresholds[owner]
        truths.append(owner[hit])
        inner.append((found - gallery.indptr[images[owner]])[hit])
        first = last
    owner = np.concatenate(truths)
    per_truth = offsets(np.bincount(owner, minlength=len(counts)))
    return Candidates(per_truth[protocol.gt_indptr], owner, columns[owner] + np.concatenate(inner))


@dataclass
class Hits:
    """True positives of a block: one for each ground truth that is found, by row, best first.

    Attributes:
        rows: (H,) row of the block.
        columns: (H,).
        truths: (H,) number of the ground truth, counted over all queries.
        sims: (H,) similarity.
    """

    rows: np.ndarray
    columns: np.ndarray
    truths: np.ndarray
    sims: np.ndarray


def choose_hits(
    sims: np.ndarray, rows: np.ndarray, columns: np.ndarray, truths: np.ndarray
) -> Hits:
    """Keep the most similar candidate of each ground truth; of equal ones the first in order.

    Args:
        sims: (B, L).
        rows: (c,) row of each candidate.
        columns: (c,).
        truths: (c,).
    """
    scores = sims[rows, columns]
    order = np.lexsort((columns, -scores, truths))
    order = order[np.diff(truths[order], prepend=-1) != 0]
    order = order[np.lexsort((columns[order], -scores[order], rows[order]))]
    return Hits(rows[order], columns[order], truths[order], scores[order])


def near_cells(sims: np.ndarray, hits: Hits, error: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the similarities that are within ``error`` of a true positive's."""
    rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    step = max(_CELLS // max(sims.shape[1], 1), 1)
    for i in range(0, len(hits.rows), step):
        owner = hits.rows[i : i + step]
        near = np.abs(sims[owner] - hits.sims[i : i + step, None]) <= error
        found, column = np.nonzero(near)
        rows.append(owner[found])
        columns.append(column)
    return np.concatenate(rows), np.concatenate(columns)


def measure(sims: np.ndarray, hits: Hits, num_truths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average precision times recall, and the rank of the best true positive, of each row.

    The first is the sum of the precisions at the true positives over the number of ground truths.
    With equal similarities as one step, precision at a true positive is the share of true positives
    among all detections that are at least as similar.

    Args:
        sims: (B, L).
        hits: the true positives.
        num_truths: (B,) ground truths of each row.

    Returns:
        (B,) float64, and (B,) int64 from 0 on, -1 without a true positive.
    """
    ranks = np.full(len(sims), -1, np.int64)
    if len(hits.rows) == 0:
        return np.zeros(len(sims)), ranks
    best = np.flatnonzero(np.diff(hits.rows, prepend=-1))
    # One pass over the rows for both: what is better than the best is asked together with the rest.
    rows = np.concatenate([hits.rows, hits.rows[best]])
    scores = np.concatenate([hits.sims, _above(hits.sims[best])])
    order = np.argsort(rows, kind='stable')
    counts = np.empty(len(rows), np.int64)
    counts[order] = count_at_least(sims, rows[order], scores[order])
    at_least, better = np.split(counts, [len(hits.rows)])

    same = (np.diff(hits.rows) == 0) & (np.diff(hits.sims) == 0)
    ends = np.append(np.flatnonzero(~same), len(hits.rows) - 1)
    last = ends[np.searchsorted(ends, np.arange(len(hits.rows)))]
    as_good = last + 1 - np.searchsorted(hits.rows, hits.rows)
    total = np.bincount(hits.rows, as_good / at_least, minlength=len(sims))
    ranks[hits.rows[best]] = better + _tied_before(
        sims, hits.rows[best], hits.columns[best], at_least[best] - better
    )
    return total / np.maximum(num_truths, 1), ranks


def ranks_of(sims: np.ndarray, hits: Hits) -> np.ndarray:
    """Rank, from 0, of each true positive; equal similarities keep their order in the gallery."""
    better = count_at_least(sims, hits.rows, _above(hits.sims))
    equal = count_at_least(sims, hits.rows, hits.sims) - better
    return better + _tied_before(sims, hits.rows, hits.columns, equal)


def _above(scores: np.ndarray) -> np.ndarray:
    """The next larger float32 of each."""
    return np.nextafter(scores, np.float32(np.inf))


def _tied_before(
    sims: np.ndarray, rows: np.ndarray, columns: np.ndarray, equal: np.ndarray
) -> np.ndarray:
    """How many of the ``equal`` similarities in the row stand before the column."""
    before = np.zeros(len(rows), np.int64)
    for i in np.flatnonzero(equal > 1):
        row = sims[rows[i]]
        before[i] = np.count_nonzero(row[: columns[i]] == row[columns[i]])
    return before


def count_at_least(sims: np.ndarray, rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How many similarities of row ``rows[i]`` are >= ``scores[i]``: (h,) int64; rows ascend."""
    counts = np.zeros(len(rows), np.int64)
    if sims.shape[1] <= _SHORT:
        step = max(_CELLS // max(sims.shape[1], 1), 1)
        for i in range(0, len(rows), step):
            part = slice(i, i + step)
            counts[part] = np.count_nonzero(sims[rows[part]] >= scores[part, None], axis=1)
        return counts
    edges = np.append(np.flatnonzero(np.diff(rows, prepend=-1)), len(rows))
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        order = np.argsort(scores[first:last]) + first
        better = sims[rows[first]]
        for i in range(0, len(order), _FEW):
            asked = scores[order[i : i + _FEW]]
            better = better[better >= asked[0]]
            counts[order[i : i + _FEW]] = [np.count_nonzero(better >= score) for score in asked]
    return counts


def best_columns(sims: np.ndarray, count: int) -> np.ndarray:
    """Columns of the ``count`` most similar visible detections of one row (L,), best first."""
    count = min(count, int(np.count_nonzero(sims > -np.inf)))
    if count == 0:
        return np.zeros(0, np.int64)
    limit = np.partition(sims, len(sims) - count)[len(sims) - count]
    columns = np.flatnonzero(sims >= limit)
    return columns[np.argsort(-sims[columns], kind='stable')[:count]]
