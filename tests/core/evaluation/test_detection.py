import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from mmdet_ps.core.evaluation import evaluate_detection

from .cases import random_box
from .reference import iou


def test_by_hand():
    gt_bboxes = [np.array([[0, 0, 10, 20], [100, 0, 110, 20]]), np.array([[0, 0, 10, 20]])]
    gt_pids = [np.array([3, -1]), np.array([-1])]
    bboxes = [
        np.array([[0, 0, 10, 20, 0.9], [1, 0, 11, 20, 0.8], [50, 0, 60, 20, 0.4]]),
        np.array([[0, 0, 10, 20, 0.6]]),
    ]
    numbers = evaluate_detection(gt_bboxes, gt_pids, bboxes)
    # By score: right .9, wrong .8 (the person is taken), right .6, wrong .4; one of three missed.
    assert numbers['recall'] == pytest.approx(2 / 3)
    assert numbers['AP'] == pytest.approx((1 + 2 / 3) / 2 * 2 / 3)
    # The second image has nobody labelled and is left out.
    assert numbers['recall_labelled'] == 1.0
    assert numbers['AP_labelled'] == pytest.approx(1.0)
    cut = evaluate_detection(gt_bboxes, gt_pids, bboxes, score_thr=0.7)
    assert cut['recall'] == pytest.approx(1 / 3)
    assert all(type(value) is float for value in numbers.values())


def test_iou_threshold_is_inclusive():
    boxes, found = np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 20, 0.5]])
    assert evaluate_detection([boxes], [np.array([1])], [found])['recall'] == 1.0
    assert evaluate_detection([boxes], [np.array([1])], [found], iou_thr=0.51)['recall'] == 0.0


def test_score_threshold_is_inclusive():
    boxes, found = np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 10, 0.5]])
    assert evaluate_detection([boxes], [np.array([1])], [found], score_thr=0.5)['recall'] == 1.0


def reference(gt_bboxes, gt_pids, bboxes, score_thr, labelled):
    """The public evaluators' loops, but ranked by the score."""
    y_true, y_score, truths, found = [], [], 0, 0
    for boxes, pids, detections in zip(gt_bboxes, gt_pids, bboxes, strict=True):
        if labelled:
            boxes = boxes[pids >= 0]
            if len(boxes) == 0:
                continue
        truths += len(boxes)
        detections = detections[detections[:, 4] >= score_thr]
        table = np.array(
            [[iou(b.tolist(), d.tolist()) for d in detections] for b in boxes]
        ).reshape(len(boxes), len(detections))
        match = table >= 0.5
        if table.size:
            for j in range(len(detections)):
                match[np.arange(len(boxes)) != table[:, j].argmax(), j] = False
            for i in range(len(boxes)):
                match[i, np.arange(len(detections)) != table[i].argmax()] = False
        y_true.extend(match.any(axis=0) if len(boxes) else [False] * len(detections))
        y_score.extend(detections[:, 4])
        found += match.sum()
    recall = found / truths if truths else 0.0
    precision = average_precision_score(y_true, y_score) if found else 0.0
    return recall, precision * recall


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 5), tied=st.booleans())
def test_equals_plain_loops(seed, images, tied):
    rng = np.random.default_rng(seed)
    gt_bboxes, gt_pids, bboxes = [], [], []
    for _ in range(images):
        boxes = np.array([random_box(rng) for _ in range(rng.integers(0, 6))]).reshape(-1, 4)
        near = boxes[rng.integers(0, len(boxes), 6)] if len(boxes) else np.zeros((0, 4))
        near = near + rng.integers(-6, 7, near.shape) * [1, 1, 0, 0]
        scores = rng.choice([0.1, 0.5, 0.9], len(near)) if tied else rng.random(len(near))
        gt_bboxes.append(boxes)
        gt_pids.append(rng.integers(-1, 2, len(boxes)))
        bboxes.append(np.column_stack([near, scores]).astype(np.float32))
    numbers = evaluate_detection(gt_bboxes, gt_pids, bboxes, score_thr=0.3)
    for labelled, suffix in ((False, ''), (True, '_labelled')):
        recall, precision = reference(gt_bboxes, gt_pids, bboxes, 0.3, labelled)
        assert numbers[f'recall{suffix}'] == pytest.approx(recall, abs=1e-9)
        assert numbers[f'AP{suffix}'] == pytest.approx(precision, abs=1e-9)


def test_nothing_annotated_or_detected():
    none = evaluate_detection([np.zeros((0, 4))], [np.zeros(0)], [np.zeros((0, 5))])
    assert set(none.values()) == {0.0}
    wrong = evaluate_detection([np.zeros((0, 4))], [np.zeros(0)], [np.ones((2, 5))])
    assert set(wrong.values()) == {0.0}


def test_labelled_people_have_numbers_of_their_own():
    """Every number differs, so that none can stand for another."""
    gt_bboxes = [np.array([[0, 0, 10, 20], [50, 0, 60, 20], [100, 0, 110, 20]])]
    bboxes = [np.array([[0, 0, 10, 20, 0.5], [50, 0, 60, 20, 0.9]])]
    numbers = evaluate_detection(gt_bboxes, [np.array([0, -1, -1])], bboxes)
    assert numbers == {
        'recall': pytest.approx(2 / 3),
        'AP': pytest.approx(2 / 3),
        'recall_labelled': 1.0,
        'AP_labelled': 0.5,
    }


@pytest.mark.parametrize(
    ('gts', 'pids', 'found', 'told'),
    [
        (np.ones((2, 4)), np.ones(2), np.ones((5, 4)), r'b.jpg: boxes \(n, 5\)'),
        (np.ones((2, 4)), np.ones(2), np.ones((1, 6)), r'b.jpg: boxes \(n, 5\)'),
        (np.ones((2, 4)), np.ones(2), np.ones(5), r'b.jpg: boxes \(n, 5\)'),
        (np.ones((2, 4)), np.ones(2), [[0, 0, 9, 9, np.nan]], 'b.jpg: NaN'),
        (np.ones((2, 4)), np.ones(2), [[0, np.inf, 9, 9, 0.5]], 'b.jpg: NaN or infinity'),
        (np.ones((2, 4)), np.ones(2), np.full((1, 5), 'x'), 'b.jpg'),
        (np.ones((4, 5)), np.ones(5), np.ones((1, 5)), r'b.jpg, ground truth: boxes \(n, 4\)'),
        (np.full((1, 4), np.nan), np.ones(1), np.ones((1, 5)), 'b.jpg, ground truth: NaN'),
        (np.ones((2, 4)), np.ones((2, 1)), np.ones((1, 5)), r'b.jpg: 2 boxes but pids .*\(2, 1\)'),
    ],
)
def test_arrays_that_do_not_fit_are_told_with_the_image(gts, pids, found, told):
    fine = np.ones((1, 4)), np.ones(1), np.ones((1, 5))
    arrays = zip(fine, (gts, pids, found), strict=True)
    with pytest.raises(ValueError, match=told):
        evaluate_detection(*arrays, image_names=['a.jpg', 'b.jpg'])


@pytest.mark.parametrize('name', ['iou_thr', 'score_thr'])
@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_thresholds_that_are_no_numbers_are_told(name, value):
    arrays = [np.ones((1, 4))], [np.ones(1)], [np.ones((1, 5))]
    with pytest.raises(ValueError, match=f'{name}={value}'):
        evaluate_detection(*arrays, **{name: value})


def test_wrong_input_is_told():
    with pytest.raises(ValueError, match='another dataset'):
        evaluate_detection([np.zeros((0, 4))], [np.zeros(0)], [])
    with pytest.raises(ValueError, match='image 0: 1 boxes but pids of shape'):
        evaluate_detection([np.ones((1, 4))], [np.ones(2)], [np.ones((1, 5))])
