"""From the similarities of one query to its average precision and the ranks of its true positives.

Nothing is sorted that does not need to be: a rank is the number of detections that are more
similar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .boxes import match_threshold, offsets, paired_iou, ranges
from .gallery import Gallery
from .protocol import SearchProtocol

_COUNT_DIRECTLY = 1 << 16


@dataclass
class Candidates:
    """Detections that overlap a ground truth enough, by query (C of them).

    Attributes:
        indptr: (Q + 1,) row pointer.
        truths: (C,) number of the ground truth, counted over all queries.
        entries: (C,) place of the image in the query's gallery.
        inner: (C,) place of the detection among those kept of its image.
    """

    indptr: np.ndarray
    truths: np.ndarray
    entries: np.ndarray
    inner: np.ndarray


def find_candidates(
    protocol: SearchProtocol, gallery: Gallery, ignored: np.ndarray | None
) -> Candidates:
    """Detections with IoU >= min(0.5, w h / ((w + 10) (h + 10))) for each ground truth.

    Args:
        protocol: its G ground truths.
        gallery: the detections that are kept.
        ignored: (E,) gallery entries that do not take part, or None.
    """
    places = protocol.gt_places
    if protocol.gallery_images is None or protocol.gallery_indptr is None:
        images = places
    else:
        owner = np.repeat(np.arange(protocol.num_queries), np.diff(protocol.gt_indptr))
        rows = protocol.gallery_indptr[owner] + places
        images = protocol.gallery_images[rows]
    counts = gallery.counts[images]
    if ignored is not None and not protocol.is_open:
        counts[ignored[rows]] = 0
    truths = np.repeat(np.arange(len(places)), counts)
    found = ranges(gallery.indptr[images], counts)
    iou = paired_iou(gallery.boxes[found], protocol.gt_boxes[truths])
    hit = iou >= match_threshold(protocol.gt_boxes)[truths]
    truths, found = truths[hit], found[hit]
    per_truth = offsets(np.bincount(truths, minlength=len(places)))
    inner = found - gallery.indptr[images[truths]]
    return Candidates(per_truth[protocol.gt_indptr], truths, places[truths], inner)


@dataclass
class Hits:
    """True positives of one query: one for each ground truth that is found.

    Attributes:
        truths: (t,) number of the ground truth, counted over all queries.
        places: (t,) position in the similarities.
    """

    truths: np.ndarray
    places: np.ndarray


def choose_hits(sims: np.ndarray, truths: np.ndarray, places: np.ndarray) -> Hits:
    """Keep the most similar candidate of each ground truth; of equal ones the first in order.

    Args:
        sims: (n,) similarities.
        truths: (c,) ascending ground truth of each candidate.
        places: (c,) position of each candidate in ``sims``.
    """
    if len(truths) < 2 or (truths[1:] != truths[:-1]).all():
        return Hits(truths, places)
    order = np.lexsort((places, -sims[places], truths))
    first = np.append(True, np.diff(truths[order]) > 0)
    return Hits(truths[order][first], places[order][first])


def average_precision_of_hits(sims: np.ndarray, places: np.ndarray, num_truths: int) -> float:
    """Average precision times recall: precisions at the true positives over the ground truths.

    With equal similarities as one step, precision at a true positive is the share of true positives
    among all detections that are at least as similar.
    """
    if len(places) == 0:
        return 0.0
    scores = np.sort(sims[places])
    as_good = len(scores) - np.searchsorted(scores, scores, side='left')
    return float((as_good / _at_least(sims, scores)).sum() / num_truths)


def _at_least(sims: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How many of ``sims`` are >= each of ``scores`` (ascending)."""
    if len(sims) * len(scores) <= _COUNT_DIRECTLY:
        return (sims >= scores[:, None]).sum(axis=1)
    better = np.sort(sims[sims >= scores[0]])
    return len(better) - np.searchsorted(better, scores, side='left')


def rank_of(sims: np.ndarray, place: int) -> int:
    """Rank, from 0, of one detection; equal similarities keep their order in the gallery."""
    score = sims[place]
    return int(np.count_nonzero(sims > score) + np.count_nonzero(sims[:place] == score))


def first_rank(sims: np.ndarray, places: np.ndarray) -> int:
    """Rank, from 0, of the best true positive; -1 without one."""
    if len(places) == 0:
        return -1
    scores = sims[places]
    return rank_of(sims, int(places[scores == scores.max()].min()))


def best_places(sims: np.ndarray, count: int) -> np.ndarray:
    """Positions of the ``count`` most similar visible detections, best first."""
    visible = int(np.count_nonzero(sims > -np.inf))
    count = min(count, visible)
    if count == 0:
        return np.zeros(0, np.int64)
    limit = np.partition(sims, len(sims) - count)[len(sims) - count]
    places = np.flatnonzero(sims >= limit)
    return places[np.argsort(-sims[places], kind='stable')[:count]]
