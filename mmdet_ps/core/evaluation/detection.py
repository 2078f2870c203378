"""Detection numbers of person search: recall and average precision of the class person."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .boxes import paired_iou
from .detections import check_boxes
from .metric import average_precision


def evaluate_detection(
    gt_bboxes: Sequence[np.ndarray],
    gt_pids: Sequence[np.ndarray],
    bboxes: Sequence[np.ndarray],
    iou_thr: float = 0.5,
    score_thr: float = 0.0,
    image_names: Sequence[str] | None = None,
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
        image_names: N names for the messages.

    Returns:
        ``recall``, ``AP``, ``recall_labelled``, ``AP_labelled``, each 0..1 (0 without ground
        truth).

    Raises:
        ValueError: where a threshold is not finite, the lists differ in length, or the arrays of an
            image do not fit together or hold anything but finite numbers (naming the image).
    """
    if not len(gt_bboxes) == len(gt_pids) == len(bboxes):
        raise ValueError(
            f'{len(gt_bboxes)} images of gt_bboxes, {len(gt_pids)} of gt_pids and {len(bboxes)} '
            'of bboxes: the results belong to another dataset'
        )
    for what, value in (('iou_thr', iou_thr), ('score_thr', score_thr)):
        if not math.isfinite(value):
            raise ValueError(f'{what}={value}: a finite number is needed')
    everybody, labelled = _Tally(iou_thr), _Tally(iou_thr)
    for i, arrays in enumerate(zip(gt_bboxes, gt_pids, bboxes, strict=True)):
        name = f'image {i}' if image_names is None else image_names[i]
        boxes, pids, found = (np.asarray(array) for array in arrays)
        check_boxes(f'{name}, ground truth', boxes, 4)
        check_boxes(name, found)
        if pids.shape != (len(boxes),):
            raise ValueError(f'{name}: {len(boxes)} boxes but pids of shape {pids.shape}')
        boxes, found = boxes.reshape(-1, 4), found.reshape(-1, 5)
        found = found[found[:, 4] >= score_thr]
        everybody.add(boxes, found)
        if (pids >= 0).any():
            labelled.add(boxes[pids >= 0], found)
    recall, precision = everybody.result()
    recall_labelled, precision_labelled = labelled.result()
    return {
        'recall': recall,
        'AP': precision,
        'recall_labelled': recall_labelled,
        'AP_labelled': precision_labelled,
    }


class _Tally:
    """Scores of the detections, which of them are right, and the number of ground truths."""

    def __init__(self, iou_thr: float) -> None:
        self.iou_thr = iou_thr
        self.right: list[np.ndarray] = []
        self.scores: list[np.ndarray] = []
        self.truths = 0

    def add(self, boxes: np.ndarray, found: np.ndarray) -> None:
        """Count the people ``boxes`` (m, 4) and the detections ``found`` (n, 5) of an image."""
        self.truths += len(boxes)
        right = np.zeros(len(found), bool)
        if len(boxes) and len(found):
            iou = paired_iou(boxes[:, None], found[None, :, :4])
            mutual = iou.argmax(axis=1)[iou.argmax(axis=0)] == np.arange(len(found))
            right = mutual & (iou.max(axis=0) >= self.iou_thr)
        self.right.append(right)
        self.scores.append(found[:, 4])

    def result(self) -> tuple[float, float]:
        """Recall and AP; 0 without ground truth."""
        if not self.truths:
            return 0.0, 0.0
        right, scores = np.concatenate(self.right), np.concatenate(self.scores)
        precision = average_precision(scores[right], np.sort(scores), self.truths)
        return float(right.sum() / self.truths), precision
