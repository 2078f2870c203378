"""Person search metric: mean average precision and top-k over the queries of a protocol.

``evaluate_search`` follows the evaluator of "Efficient Person Search: An Anchor-Free Approach"
(arXiv 2109.00211), which is that of OIM (Xiao et al., CVPR 2017); docs/evaluation.md lists where
public evaluators differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .boxes import match_threshold, paired_iou, ranges
from .cbgm import match_scenes, query_scene
from .detections import Detections, check_detections, find_queries, locate_images
from .metric import average_precision, best_columns, ranks_of
from .options import SearchOptions
from .protocol import SearchProtocol
from .similarity import Row, gallery_rows

TOP_K = (1, 5, 10)
TOP_BOXES = 10


@dataclass
class SearchOutcome:
    """What the search gave for each query (Q queries, G ground truths over all of them).

    Attributes:
        found: (Q,) bool, whether the query has a feature to search with.
        num_truths: (Q,) ground truths in the gallery.
        ap: (Q,) average precision times recall, 0..1.
        first: (Q,) rank from 0 of the best true positive; -1 where none was found.
        gt_ranks: (G,) rank from 0 of each ground truth's detection, -1 where there is none.
        top_images: (Q, 10) image index of the best detections, -1 beyond the last.
        top_boxes: (Q, 10, 5) their boxes and scores.
        top_sims: (Q, 10) their similarities.
        top_right: (Q, 10) bool, whether they are true positives.
    """

    found: np.ndarray
    num_truths: np.ndarray
    ap: np.ndarray
    first: np.ndarray
    gt_ranks: np.ndarray
    top_images: np.ndarray
    top_boxes: np.ndarray
    top_sims: np.ndarray
    top_right: np.ndarray

    @classmethod
    def nothing(cls, found: np.ndarray, num_truths: np.ndarray) -> SearchOutcome:
        """The outcome of queries that find nobody."""
        num = len(found)
        return cls(
            found,
            num_truths,
            ap=np.zeros(num),
            first=np.full(num, -1, np.int64),
            gt_ranks=np.full(num_truths.sum(), -1, np.int64),
            top_images=np.full((num, TOP_BOXES), -1, np.int32),
            top_boxes=np.zeros((num, TOP_BOXES, 5), np.float32),
            top_sims=np.zeros((num, TOP_BOXES), np.float32),
            top_right=np.zeros((num, TOP_BOXES), bool),
        )

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
) -> SearchOutcome:
    """Search every query in its gallery; arguments as in :func:`evaluate_search`."""
    if (query_feats is None) != (options.query_feature == 'nearest'):
        raise ValueError(
            "query_feats is needed with query_feature='gt_box' and only then; "
            f'got query_feature={options.query_feature!r}'
        )
    bboxes, feats = [np.asarray(part) for part in bboxes], [np.asarray(part) for part in feats]
    check_detections(image_names, bboxes, feats)
    places = locate_images(protocol, image_names)
    bboxes, feats = [bboxes[i] for i in places], [feats[i] for i in places]
    people = Detections.confident(bboxes, feats, options.score_thr, options.class_weighted)
    queries = find_queries(protocol, bboxes, feats, people.feats.shape[1], query_feats)
    outcome = SearchOutcome.nothing(queries.found, np.diff(protocol.gt_indptr))
    for row in gallery_rows(protocol, people, queries, options.skip_repeated):
        if options.cbgm is not None:
            image, own_used = protocol.query_images[row.query], query_feats is None
            scene = query_scene(row.query, image, people, queries, own_used, options.cbgm['k2'])
            match_scenes(row, scene, people, options.cbgm['k1'])
        _rank(outcome, row, protocol, people)
    return outcome


def _rank(outcome: SearchOutcome, row: Row, protocol: SearchProtocol, people: Detections) -> None:
    """Enter what a query found into the outcome."""
    query = row.query
    truths, columns = _true_positives(row, protocol, people)
    ranked = np.sort(row.sims)
    outcome.ap[query] = average_precision(row.sims[columns], ranked, outcome.num_truths[query])
    ranks = ranks_of(columns, row.sims, ranked)
    outcome.gt_ranks[truths] = ranks
    outcome.first[query] = min(ranks, default=-1)
    best = best_columns(row.sims, ranked, TOP_BOXES)
    found, n = row.found[best], len(best)
    outcome.top_images[query, :n] = people.images[found]
    outcome.top_boxes[query, :n] = people.boxes[found]
    outcome.top_sims[query, :n] = row.sims[best]
    outcome.top_right[query, :n] = np.isin(best, columns)


def _true_positives(
    row: Row, protocol: SearchProtocol, people: Detections
) -> tuple[np.ndarray, np.ndarray]:
    """Ground truths of the query that are found, counted over all queries, and their columns.

    Of the detections that overlap a ground truth enough the most similar one is the true positive;
    of equal ones the first.
    """
    truths = np.arange(protocol.gt_indptr[row.query], protocol.gt_indptr[row.query + 1])
    places, boxes = protocol.gt_places[truths], protocol.gt_boxes[truths]
    counts = np.diff(row.starts)[places]
    owner, columns = np.repeat(np.arange(len(truths)), counts), ranges(row.starts[places], counts)
    iou = paired_iou(people.boxes[row.found[columns], :4], boxes[owner])
    enough = iou >= match_threshold(boxes)[owner]
    owner, columns = owner[enough], columns[enough]
    order = np.lexsort((-row.sims[columns], owner))
    order = order[np.diff(owner[order], prepend=-1) != 0]
    return truths[owner[order]], columns[order]


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
            :func:`cbgm.match_scenes`.
        return_details: add ``details``, a :class:`SearchOutcome`.

    Returns:
        ``mAP``, ``top1``, ``top5``, ``top10``, each 0..1.

    Raises:
        ValueError: for arrays that do not fit together (naming the image) or an unknown option.
        KeyError: where an image of the protocol is not among the results.
    """
    options = SearchOptions(score_thr, query_feature, class_weighted, skip_repeated, cbgm)
    outcome = search(protocol, image_names, bboxes, feats, options, query_feats)
    numbers: dict[str, Any] = outcome.metrics()
    if return_details:
        numbers['details'] = outcome
    return numbers
