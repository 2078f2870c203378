"""Counting against sorting, and the arithmetic of boxes and ragged arrays by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from mmdet_ps.core.evaluation.boxes import match_threshold, offsets, paired_iou, ranges
from mmdet_ps.core.evaluation.metric import average_precision, best_columns, ranks_of

from .reference import iou

SCORES = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=30)


@settings(max_examples=200, deadline=None)
@given(pairs=SCORES, missed=st.integers(0, 3))
def test_average_precision_is_that_of_scikit_learn_times_recall(pairs, missed):
    labels = np.array([label for label, _ in pairs], bool)
    scores = np.array([score for _, score in pairs], np.float32)
    found = average_precision(scores[labels], np.sort(scores), labels.sum() + missed)
    if not labels.any():
        assert found == 0.0
        return
    expected = average_precision_score(labels, scores) * labels.sum() / (labels.sum() + missed)
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(pairs=SCORES, count=st.integers(1, 12))
def test_ranks_and_best_are_those_of_a_stable_sort(pairs, count):
    asked = np.flatnonzero([label for label, _ in pairs])
    scores = np.array([score for _, score in pairs], np.float32)
    order = np.argsort(-scores, kind='stable')
    ranks = ranks_of(asked, scores, np.sort(scores))
    assert [order[rank] for rank in ranks] == asked.tolist()
    assert best_columns(scores, np.sort(scores), count).tolist() == order[:count].tolist()


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), plus_one=st.booleans())
def test_overlaps_are_those_of_plain_numbers(seed, plus_one):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 12, (4, 4)) for _ in range(2))
    a[:, 2:] += a[:, :2] + 1
    b[:, 2:] += b[:, :2] + 1
    table = paired_iou(a[:, None], b, plus_one)
    expected = [[iou(x.tolist(), y.tolist(), float(plus_one)) for y in b] for x in a]
    assert table.tolist() == expected
    assert paired_iou(a, b, plus_one).tolist() == np.diag(table).tolist()
    assert paired_iou(a[0], b[0].astype(np.float32), plus_one) == table[0, 0]


def test_no_area_is_no_overlap():
    assert paired_iou(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [0.0]
    assert paired_iou(np.zeros((1, 4)), np.zeros((1, 4)), plus_one=True).tolist() == [1.0]


def test_threshold_of_small_boxes():
    boxes = np.array([[5, 5, 15, 15], [0, 0, 10, 40], [3, 2, 103, 202]], np.int32)
    assert match_threshold(boxes).tolist() == [100 / 400, 400 / 1000, 0.5]


def test_ragged_arrays():
    assert ranges(np.array([7, 3, 9]), np.array([2, 0, 3])).tolist() == [7, 8, 9, 10, 11]
    assert ranges(np.zeros(0, int), np.zeros(0, int)).tolist() == []
    assert offsets(np.array([2, 0, 3])).tolist() == [0, 2, 2, 5]
