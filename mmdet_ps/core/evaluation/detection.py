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
    everybody, labelled = [], []
    for i, (gts, pids, found) in enumerate(zip(gt_bboxes, gt_pids, bboxes, strict=True)):
        name = f'image {i}' if image_names is None else image_names[i]
        boxes, found = check_boxes(f'{name}, ground truth', gts, 4), check_boxes(name, found)
        pids = np.asarray(pids)
        if pids.shape != (len(boxes),):
            raise ValueError(f'{name}: {len(boxes)} boxes but pids of shape {pids.shape}')
        found = found[found[:, 4] >= score_thr]
        everybody.append((boxes, found))
        if (pids >= 0).any():
            labelled.append((boxes[pids >= 0], found))
    numbers = {}
    for suffix, images in (('', everybody), ('_labelled', labelled)):
        truths = sum(len(boxes) for boxes, _ in images)
        hits = [found[match_people(boxes, found, iou_thr) >= 0, 4] for boxes, found in images] or [
            np.zeros(0)
        ]
        scores = [found[:, 4] for _, found in images] or [np.zeros(0)]
        hit, ranked = np.concatenate(hits), np.sort(np.concatenate(scores))
        numbers[f'recall{suffix}'] = len(hit) / truths if truths else 0.0
        numbers[f'AP{suffix}'] = average_precision(hit, ranked, truths)
    return numbers


def match_people(boxes: np.ndarray, found: np.ndarray, iou_thr: float = 0.5) -> np.ndarray:
    """Say whom each detection of an image is on: each is the other's best in IoU.

    Args:
        boxes: (m, 4) of the people.
        found: (n, 4 or more) of the detections.
        iou_thr: IoU that a match needs.

    Returns:
        (n,) places in ``boxes``, -1 for nobody.
    """
    if len(boxes) == 0 or len(found) == 0:
        return np.full(len(found), -1)
    iou = paired_iou(boxes[:, None], found[None, :, :4])
    mutual = iou.argmax(axis=1)[iou.argmax(axis=0)] == np.arange(len(found))
    return np.where(mutual & (iou.max(axis=0) >= iou_thr), iou.argmax(axis=0), -1)
