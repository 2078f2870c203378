"""Detection numbers of person search: recall and average precision of the class person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .boxes import paired_iou


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Step-wise average precision: sum of (recall step x precision); equal scores are one step.

    Args:
        labels: (n,) bool.
        scores: (n,).

    Returns:
        0..1; 0 without a positive label.
    """
    order = np.argsort(-scores, kind='stable')
    labels, scores = labels[order], scores[order]
    if not labels.any():
        return 0.0
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    hits = np.cumsum(labels)[ends]
    steps = np.diff(hits, prepend=0)
    return float((steps * hits / (ends + 1.0)).sum() / hits[-1])


def evaluate_detection(
    gt_bboxes: Sequence[np.ndarray],
    gt_pids: Sequence[np.ndarray],
    bboxes: Sequence[np.ndarray],
    iou_thr: float = 0.5,
    score_thr: float = 0.0,
) -> dict[str, float]:
    """Recall and AP over all people, and over the people with an identity.

    A detection and a ground truth match where each is the other's best in IoU and that reaches
    ``iou_thr``. AP is the step-wise average precision of the detections times the recall. For the
    labelled people, images without one are left out, and detections of people without identity
    count as wrong, as in the public evaluators.

    Args:
        gt_bboxes: N arrays (m_i, 4) x1 y1 x2 y2.
        gt_pids: N arrays (m_i,); negative is no identity.
        bboxes: N arrays (n_i, 5) x1 y1 x2 y2 score.
        iou_thr: IoU that a match needs.
        score_thr: detections below this score are left out.

    Returns:
        ``recall``, ``AP``, ``recall_labelled``, ``AP_labelled``, each 0..1 (0 without ground
        truth).

    Raises:
        ValueError: where the lists or the rows of an image differ in length.
    """
    if not len(gt_bboxes) == len(gt_pids) == len(bboxes):
        raise ValueError(
            f'{len(gt_bboxes)} images of gt_bboxes, {len(gt_pids)} of gt_pids and {len(bboxes)} '
            'of bboxes: the results belong to another dataset'
        )
    everybody, labelled = _Tally(), _Tally()
    for i, (boxes, pids, found) in enumerate(zip(gt_bboxes, gt_pids, bboxes, strict=True)):
        boxes, pids = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(pids).reshape(-1)
        found = np.asarray(found).reshape(-1, 5)
        if len(boxes) != len(pids):
            raise ValueError(f'image {i}: {len(boxes)} boxes but {len(pids)} pids')
        found = found[found[:, 4] >= score_thr]
        everybody.add(boxes, found, iou_thr)
        if (pids >= 0).any():
            labelled.add(boxes[pids >= 0], found, iou_thr)
    recall, precision = everybody.result()
    recall_labelled, precision_labelled = labelled.result()
    return {
        'recall': recall,
        'AP': precision,
        'recall_labelled': recall_labelled,
        'AP_labelled': precision_labelled,
    }


class _Tally:
    """Labels and scores of the detections, and the number of ground truths, over images."""

    def __init__(self) -> None:
        self.labels: list[np.ndarray] = []
        self.scores: list[np.ndarray] = []
        self.truths = 0

    def add(self, boxes: np.ndarray, found: np.ndarray, iou_thr: float) -> None:
        self.truths += len(boxes)
        hit = np.zeros(len(found), bool)
        if len(boxes) and len(found):
            rows = np.repeat(np.arange(len(boxes)), len(found))
            columns = np.tile(np.arange(len(found)), len(boxes))
            iou = paired_iou(boxes[rows], found[columns, :4]).reshape(len(boxes), len(found))
            best_truth, best_found = iou.argmax(axis=0), iou.argmax(axis=1)
            mutual = best_found[best_truth] == np.arange(len(found))
            hit = mutual & (iou.max(axis=0) >= iou_thr)
        self.labels.append(hit)
        self.scores.append(found[:, 4])

    def result(self) -> tuple[float, float]:
        if not self.truths:
            return 0.0, 0.0
        labels, scores = np.concatenate(self.labels), np.concatenate(self.scores)
        recall = float(labels.sum() / self.truths)
        return recall, average_precision(labels, scores) * recall
