"""The slow yardstick: plain loops as public scripts have them.

The project's evaluator is measured against it: tests compare with it and
``tools/analysis/benchmark_eval.py`` times it. It shares no code with ``mmdet_ps.core.evaluation``
but the protocol's arrays, and needs nothing but NumPy, as that does.
"""

import numpy as np


def average_precision(labels, scores):
    """Step-wise, as scikit-learn's ``average_precision_score``: equal scores are one step."""
    order = np.argsort(-scores, kind='stable')
    labels, scores = labels[order], scores[order]
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    hits = np.cumsum(labels)[ends]
    return float((np.diff(hits, prepend=0) * hits / (ends + 1)).sum() / hits[-1])


def iou(a, b, plus_one=0.0):
    """IoU of two boxes, as plain numbers."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + plus_one
    height = min(a[3], b[3]) - max(a[1], b[1]) + plus_one
    inner = max(width, 0.0) * max(height, 0.0)
    area_a = (a[2] - a[0] + plus_one) * (a[3] - a[1] + plus_one)
    area_b = (b[2] - b[0] + plus_one) * (b[3] - b[1] + plus_one)
    return inner / (area_a + area_b - inner)


def unit_rows(feats):
    """Normalised float64 copy; rows of zeros stay."""
    feats = np.asarray(feats, np.float64)
    norms = np.linalg.norm(feats, axis=1, keepdims=True) if feats.size else np.ones((len(feats), 1))
    return feats / np.where(norms > 0, norms, 1.0)


def nearest_detection(boxes, query_box):
    """Place of the detection with the largest IoU (+1); None without detections."""
    best, place = -1.0, None
    for i, box in enumerate(boxes):
        value = iou(box[:4].tolist(), query_box, 1.0)
        if value > best:
            best, place = value, i
    return place


def reference_search(
    protocol,
    image_names,
    bboxes,
    feats,
    score_thr=0.2,
    query_feats=None,
    class_weighted=False,
    skip_repeated=False,
    rerank=None,
    dtype=np.float64,
):
    """Loop over queries and gallery images.

    Args:
        protocol: a SearchProtocol.
        image_names: N names.
        bboxes: N arrays (n_i, 5).
        feats: N arrays (n_i, D).
        score_thr: least score of a gallery detection.
        query_feats: (Q, D) instead of the nearest detections' features.
        class_weighted: multiply similarities with scores.
        skip_repeated: evaluate an image once a query, but count its ground truths.
        rerank: called with the number and feature of a query and {image index: similarities}, which
            it may change.
        dtype: precision of the dot products; float32 is what public scripts use.

    Returns:
        ``mAP``, ``top1``, ``top5``, ``top10``, ``aps`` (Q,) and ``best``, Q lists of the ten
        largest similarities, largest first.
    """
    results, people = {}, {}
    for name, boxes, rows in zip(image_names, bboxes, feats, strict=True):
        rows = unit_rows(rows).astype(dtype)
        people[name] = boxes, rows
        kept = boxes[:, 4] >= score_thr if len(boxes) else np.zeros(0, bool)
        results[name] = boxes[kept], rows[kept]
    aps, accuracies, best = [], [], []
    for q in range(protocol.num_queries):
        name = protocol.image_names[protocol.query_images[q]]
        query_box = protocol.query_boxes[q].tolist()
        if query_feats is None:
            boxes, rows = people[name]
            place = nearest_detection(boxes, query_box)
            if place is None:
                aps.append(0.0)
                accuracies.append([0, 0, 0])
                best.append([])
                continue
            query = rows[place]
        else:
            query = unit_rows(query_feats[q : q + 1])[0].astype(dtype)
        ap, hits, sims = _search_one(
            protocol, q, query, results, class_weighted, skip_repeated, rerank
        )
        aps.append(ap)
        accuracies.append(hits)
        best.append(sims)
    top1, top5, top10 = np.mean(accuracies, axis=0).tolist()
    return {
        'mAP': float(np.mean(aps)),
        'top1': top1,
        'top5': top5,
        'top10': top10,
        'aps': np.array(aps),
        'best': best,
    }


def _truths_by_place(protocol, q):
    span = slice(protocol.gt_indptr[q], protocol.gt_indptr[q + 1])
    return dict(
        zip(protocol.gt_places[span].tolist(), protocol.gt_boxes[span].tolist(), strict=True)
    )


def _search_one(protocol, q, query, results, class_weighted, skip_repeated, rerank):
    y_true, y_score = [], []
    count_gt, count_tp = 0, 0
    truths = _truths_by_place(protocol, q)
    gallery = protocol.gallery(q).tolist()
    sims = {}
    for image in gallery:
        det, feat = results[protocol.image_names[image]]
        sim = feat.dot(query)
        if class_weighted:
            sim = sim * det[:, 4]
        sims[image] = sim.astype(np.float32)
    if rerank is not None:
        rerank(q, query, sims)
    seen = set()
    for place, image in enumerate(gallery):
        truth = truths.get(image if protocol.is_open else place)
        count_gt += truth is not None
        if skip_repeated and image in seen:
            continue
        seen.add(image)
        det, sim = results[protocol.image_names[image]][0], sims[image]
        if len(det) == 0:
            continue
        label = np.zeros(len(sim), np.int32)
        if truth is not None:
            width, height = truth[2] - truth[0], truth[3] - truth[1]
            threshold = min(0.5, width * height / ((width + 10) * (height + 10)))
            for j in np.argsort(-sim, kind='stable'):
                if iou(det[j, :4].tolist(), truth) >= threshold:
                    label[j] = 1
                    count_tp += 1
                    break
        y_true.extend(label)
        y_score.extend(sim)
    y_true, y_score = np.asarray(y_true), np.asarray(y_score)
    best = np.sort(y_score)[::-1][:10].tolist()
    if count_tp == 0:
        return 0.0, [0, 0, 0], best
    ap = average_precision(y_true, y_score) * count_tp / count_gt
    y_true = y_true[np.argsort(-y_score, kind='stable')]
    return ap, [min(1, int(y_true[:k].sum())) for k in (1, 5, 10)], best
