"""Person search metric: mean average precision and top-k over the queries of a protocol.

``evaluate_search`` follows the evaluator of "Efficient Person Search: An Anchor-Free Approach"
(arXiv 2109.00211), which is that of OIM (Xiao et al., CVPR 2017); docs/evaluation.md lists where
public evaluators differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .boxes import match_threshold, paired_iou, ranges
from .cbgm import match_scenes, query_scene
from .detections import Detections, check_detections, find_queries, locate_images
from .metric import average_precision, best_columns, ranks_of
from .options import SearchOptions
from .protocol import SearchProtocol
from .ranking import TOP_BOXES, Ranking
from .similarity import Row, gallery_rows


def search(
    protocol: SearchProtocol,
    image_names: Sequence[str],
    bboxes: Sequence[np.ndarray],
    feats: Sequence[np.ndarray],
    options: SearchOptions,
    query_feats: np.ndarray | None = None,
    feature: str = '',
) -> tuple[Ranking, np.ndarray]:
    """Search every query in its gallery; arguments as in :func:`evaluate_search`.

    Returns:
        What was found by ``feature``, and which queries have one to search with, (Q,) bool.
    """
    if (query_feats is None) != (options.query_feature == 'nearest'):
        raise ValueError(
            "query_feats is needed with query_feature='gt_box' and only then; "
            f'got query_feature={options.query_feature!r}'
        )
    bboxes, feats = check_detections(image_names, bboxes, feats)
    places = locate_images(protocol, image_names)
    bboxes, feats = [bboxes[i] for i in places], [feats[i] for i in places]
    people = Detections.confident(bboxes, feats, options.score_thr, options.class_weighted)
    queries = find_queries(protocol, bboxes, feats, query_feats)
    ranking = _nothing_found(protocol, feature, options.similarity)
    for row in gallery_rows(protocol, people, queries, options.skip_repeated):
        if options.cbgm is not None:
            image, own_used = protocol.query_images[row.query], query_feats is None
            scene = query_scene(row.query, image, people, queries, own_used, options.cbgm['k2'])
            match_scenes(row, scene, people, options.cbgm['k1'])
        _rank(ranking, row, protocol, people)
    return ranking, queries.found


def _nothing_found(protocol: SearchProtocol, feature: str, similarity: str) -> Ranking:
    """The ranking of queries that find nobody."""
    num = protocol.num_queries
    same = ('query_images', 'query_boxes', 'query_pids', 'gt_indptr', 'gt_boxes')
    return Ranking(
        feature,
        protocol.name,
        similarity,
        image_names=np.array(protocol.image_names, np.str_),
        ap=np.zeros(num),
        first=np.full(num, -1, np.int64),
        gt_images=np.concatenate([protocol.ground_truth(query)[0] for query in range(num)]),
        gt_ranks=np.full(len(protocol.gt_boxes), -1, np.int64),
        top_images=np.full((num, TOP_BOXES), -1, np.int32),
        top_boxes=np.zeros((num, TOP_BOXES, 5), np.float32),
        top_sims=np.zeros((num, TOP_BOXES), np.float32),
        top_right=np.zeros((num, TOP_BOXES), bool),
        **{name: getattr(protocol, name) for name in same},
    )


def _rank(ranking: Ranking, row: Row, protocol: SearchProtocol, people: Detections) -> None:
    """Enter what a query found."""
    query = row.query
    truths, columns = _true_positives(row, protocol, people)
    num_truths = protocol.gt_indptr[query + 1] - protocol.gt_indptr[query]
    ranked = np.sort(row.sims)
    ranking.ap[query] = average_precision(row.sims[columns], ranked, num_truths)
    ranking.gt_ranks[truths] = ranks = ranks_of(columns, row.sims, ranked)
    ranking.first[query] = min(ranks, default=-1)
    best = best_columns(row.sims, ranked, TOP_BOXES)
    found, n = row.found[best], len(best)
    ranking.top_images[query, :n] = people.images[found]
    ranking.top_boxes[query, :n] = people.boxes[found]
    ranking.top_sims[query, :n] = row.sims[best]
    ranking.top_right[query, :n] = np.isin(best, columns)


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
        return_details: add ``details``, a :class:`Ranking`.

    Returns:
        ``mAP``, ``top1``, ``top5``, ``top10``, each 0..1.

    Raises:
        ValueError: for arrays that do not fit together (naming the image) or an unknown option.
        KeyError: where an image of the protocol is not among the results.
    """
    options = SearchOptions(score_thr, query_feature, class_weighted, skip_repeated, cbgm)
    ranking, _ = search(protocol, image_names, bboxes, feats, options, query_feats)
    return {**ranking.metrics(), **({'details': ranking} if return_details else {})}
