"""Person search metric: mean average precision and top-k over the queries of a protocol.

``evaluate_search`` follows the evaluator of "Efficient Person Search: An Anchor-Free Approach"
(arXiv 2109.00211), which is that of OIM (Xiao et al., CVPR 2017); docs/evaluation.md lists where
public evaluators differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .cbgm import ContextMatching
from .gallery import (
    Queries,
    check_detections,
    find_queries,
    keep_confident,
    locate_images,
)
from .options import SearchOptions
from .protocol import SearchProtocol
from .ranking import (
    Hits,
    best_columns,
    choose_hits,
    find_candidates,
    measure,
    near_cells,
    ranks_of,
)
from .similarity import Block, Layout, sharpen, similarity_blocks

TOP_K = (1, 5, 10)
TOP_BOXES = 10


@dataclass
class SearchOutcome:
    """What the search gave for each query.

    Attributes:
        ap: (Q,) average precision times recall, 0..1.
        first: (Q,) rank from 0 of the best true positive; -1 where none was found.
        num_truths: (Q,) ground truths in the gallery.
        num_hits: (Q,) ground truths found by a detection.
        found: (Q,) bool, whether the query has a feature to search with.
        truth_ranks: (G,) rank from 0 of each ground truth's detection, -1 where there is none; with
            details only.
        top_images: (Q, 10) image index of the best detections, -1 beyond the last; with details
            only.
        top_boxes: (Q, 10, 5) their boxes and scores.
        top_sims: (Q, 10) their similarities.
        top_right: (Q, 10) bool, whether they are true positives.
    """

    ap: np.ndarray
    first: np.ndarray
    num_truths: np.ndarray
    num_hits: np.ndarray
    found: np.ndarray
    truth_ranks: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    top_images: np.ndarray = field(default_factory=lambda: np.zeros((0, TOP_BOXES), np.int32))
    top_boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, TOP_BOXES, 5), np.float32))
    top_sims: np.ndarray = field(default_factory=lambda: np.zeros((0, TOP_BOXES), np.float32))
    top_right: np.ndarray = field(default_factory=lambda: np.zeros((0, TOP_BOXES), bool))

    def metrics(self) -> dict[str, float]:
        """``mAP``, ``top1``, ``top5``, ``top10``, each 0..1."""
        numbers = {'mAP': float(self.ap.mean())}
        for k in TOP_K:
            numbers[f'top{k}'] = float(((self.first >= 0) & (self.first < k)).mean())
        return numbers

    def counts(self) -> dict[str, int]:
        """Number of queries, and of those that cannot be answered (they count with AP 0)."""
        return {
            'num_queries': len(self.ap),
            'queries_without_detection': int((~self.found).sum()),
            'queries_without_ground_truth': int((self.num_truths == 0).sum()),
        }


def search(
    protocol: SearchProtocol,
    image_names: Sequence[str],
    bboxes: Sequence[np.ndarray],
    feats: Sequence[np.ndarray],
    options: SearchOptions,
    query_feats: np.ndarray | None = None,
    details: bool = False,
) -> SearchOutcome:
    """Search every query in its gallery; arguments as in :func:`evaluate_search`.

    Args:
        protocol: Q queries and their galleries.
        image_names: N names.
        bboxes: N arrays (n_i, 5).
        feats: N arrays (n_i, D).
        options: how to evaluate.
        query_feats: (Q, D), with ``query_feature='gt_box'``.
        details: also rank every ground truth and keep the ten best boxes.
    """
    if (query_feats is None) != (options.query_feature == 'nearest'):
        raise ValueError(
            "query_feats is needed with query_feature='gt_box' and only then; "
            f'got query_feature={options.query_feature!r}'
        )
    check_detections(image_names, bboxes, feats)
    places = locate_images(protocol, image_names).tolist()
    bboxes, feats = [bboxes[i] for i in places], [feats[i] for i in places]
    gallery = keep_confident(
        protocol.image_names, bboxes, feats, options.score_thr, options.class_weighted
    )
    queries = find_queries(protocol, bboxes, feats, gallery.feats.shape[1], query_feats)
    layout = Layout(protocol, gallery, options.skip_repeated)
    matching = None
    if options.cbgm is not None:
        kept = [
            boxes[:, 4] >= options.score_thr if len(boxes) else np.zeros(0, bool)
            for boxes in bboxes
        ]
        own_used = options.query_feature == 'nearest'
        matching = ContextMatching(options.cbgm, layout, queries, kept, own_used)
    return _rank(layout, queries, matching, details)


def _rank(
    layout: Layout, queries: Queries, matching: ContextMatching | None, details: bool
) -> SearchOutcome:
    protocol = layout.protocol
    num = protocol.num_queries
    outcome = SearchOutcome(
        np.zeros(num),
        np.full(num, -1, np.int64),
        np.diff(protocol.gt_indptr),
        np.zeros(num, np.int64),
        queries.found,
    )
    if details:
        _make_room(outcome, num, len(protocol.gt_places))
    candidates = find_candidates(layout)
    owner = np.repeat(np.arange(num), np.diff(candidates.indptr))
    exact = details or matching is not None
    for block in similarity_blocks(layout, queries, exact):
        span = slice(block.first, block.first + len(block.sims))
        if matching is not None:
            for query, sims in enumerate(block.sims, block.first):
                if queries.found[query]:
                    matching.apply(query, sims)
        part = slice(candidates.indptr[span.start], candidates.indptr[span.stop])
        asked = queries.found[owner[part]]
        rows, columns = owner[part][asked] - block.first, candidates.columns[part][asked]
        if block.error:
            sharpen(block, layout, queries, rows, columns)
        hits = choose_hits(block.sims, rows, columns, candidates.truths[part][asked])
        if block.error:
            near = near_cells(block.sims, hits, block.error)
            sharpen(block, layout, queries, *near)
        ap, first = measure(block.sims, hits, outcome.num_truths[span])
        outcome.ap[span], outcome.first[span] = ap, first
        outcome.num_hits[span] = np.bincount(hits.rows, minlength=len(block.sims))
        if details:
            _keep_details(outcome, block, hits, layout)
    return outcome


def _make_room(outcome: SearchOutcome, num: int, truths: int) -> None:
    outcome.truth_ranks = np.full(truths, -1, np.int64)
    outcome.top_images = np.full((num, TOP_BOXES), -1, np.int32)
    outcome.top_boxes = np.zeros((num, TOP_BOXES, 5), np.float32)
    outcome.top_sims = np.zeros((num, TOP_BOXES), np.float32)
    outcome.top_right = np.zeros((num, TOP_BOXES), bool)


def _keep_details(outcome: SearchOutcome, block: Block, hits: Hits, layout: Layout) -> None:
    outcome.truth_ranks[hits.truths] = ranks_of(block.sims, hits)
    gallery = layout.gallery
    for row, (query, sims) in enumerate(enumerate(block.sims, block.first)):
        if not outcome.found[query]:
            continue
        best = best_columns(sims, TOP_BOXES)
        starts, images = layout.entries(query)
        entries = np.searchsorted(starts, best, side='right') - 1
        n, images = len(best), images[entries]
        outcome.top_images[query, :n] = images
        outcome.top_boxes[query, :n] = gallery.boxes[
            gallery.indptr[images] + best - starts[entries]
        ]
        outcome.top_sims[query, :n] = sims[best]
        outcome.top_right[query, :n] = np.isin(best, hits.columns[hits.rows == row])


def evaluate_search(
    protocol: SearchProtocol,
    image_names: Sequence[str],
    bboxes: Sequence[np.ndarray],
    feats: Sequence[np.ndarray],
    score_thr: float = 0.2,
    *,
    query_feature: str = 'nearest',
    query_feats: np.ndarray | None = None,
    class_weighted: bool = False,
    skip_repeated: bool = False,
    cbgm: Mapping[str, int] | None = None,
    return_details: bool = False,
) -> dict[str, Any]:
    """Search every query of a protocol in its gallery.

    In each gallery image that holds the person, the most similar detection whose IoU with the
    ground truth reaches min(0.5, w h / ((w + 10) (h + 10))) is the true positive; every other
    detection is a negative. Detections of equal similarity are one step of the average precision;
    for top-k they keep the order of the gallery (and, in an image, of its detections). A query
    without a feature, or without ground truth, counts with AP 0 and no hit.

    Args:
        protocol: Q queries with their galleries.
        image_names: N names; every image of the protocol must be among them.
        bboxes: N arrays (n_i, 5), x1 y1 x2 y2 score in pixels of the original image.
        feats: N arrays (n_i, D), not necessarily normalised.
        score_thr: gallery detections need at least this score (authors: 0.2 on CUHK-SYSU, 0.15 on
            PRW).
        query_feature: ``nearest``, the feature of the detection that overlaps the query box most
            (authors), or ``gt_box``, a feature that the network gave for the query box itself.
        query_feats: (Q, D) for ``gt_box``.
        class_weighted: multiply each similarity with the detection's score (Chen et al.,
            "Norm-Aware Embedding").
        skip_repeated: leave out an image that is listed again in the same gallery, but count its
            ground truth.
        cbgm: ``dict(k1=, k2=)`` for context bipartite graph matching; see
            :class:`cbgm.ContextMatching`.
        return_details: add ``details``, a :class:`SearchOutcome`.

    Returns:
        ``mAP``, ``top1``, ``top5``, ``top10``, each 0..1.

    Raises:
        ValueError: for arrays that do not fit together (naming the image) or an unknown option.
        KeyError: where an image of the protocol is not among the results.
    """
    options = SearchOptions(score_thr, query_feature, class_weighted, skip_repeated, cbgm)
    outcome = search(protocol, image_names, bboxes, feats, options, query_feats, return_details)
    numbers: dict[str, Any] = outcome.metrics()
    if return_details:
        numbers['details'] = outcome
    return numbers
