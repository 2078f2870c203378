"""Joining results of two models, by hand and against the plain form."""

import importlib.util
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from mmdet_ps.core.results_io import load_results, save_results

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'join_results.py'
spec = importlib.util.spec_from_file_location('join_results', TOOL)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def result(boxes, name, feats, **more):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)[:, None]
    feats = np.array(feats, np.float32).reshape(len(boxes), 2)
    return dict(bboxes=np.hstack([boxes, scores]), feats={name: feats}, **more)


ALIGNPS = result([[0, 0, 10, 20], [40, 0, 50, 20], [80, 0, 90, 20]], 'alignps', np.eye(3, 2))
# The first two in the other order; nobody at 80.
NAE = result([[40, 0, 50, 19], [0, 1, 10, 20], [0, 60, 10, 80]], 'roi_align', -np.eye(3, 2))

BOX = np.array([[0, 0, 10, 20]], np.float32)
ASKED = dict(query_boxes=BOX, query_feats=dict(alignps=np.ones((1, 2))))
ASKED_NAE = dict(query_boxes=BOX, query_feats=dict(roi_align=np.ones((1, 2))))
ASKED_ELSEWHERE = ASKED_NAE | dict(query_boxes=BOX + 2)
ASKED_MORE = dict(query_boxes=np.repeat(BOX, 2, 0), query_feats=dict(roi_align=np.ones((2, 2))))


def join(monkeypatch, tmp_path, first, second, *arguments):
    paths = [str(tmp_path / name) for name in ('a.npz', 'b.npz', 'out.npz')]
    save_results(paths[0], first)
    save_results(paths[1], second)
    command = ['join_results.py', *paths[:2], '--out', paths[2], *arguments]
    monkeypatch.setattr(sys, 'argv', command)
    tool.main()
    return load_results(paths[2])


def test_by_hand(monkeypatch, tmp_path, capsys):
    (joined,) = join(monkeypatch, tmp_path, [ALIGNPS], [NAE])
    assert capsys.readouterr().out.endswith('2 of 3 boxes in 1 pictures have a partner\n')
    assert np.array_equal(joined['bboxes'], ALIGNPS['bboxes'])
    assert list(joined['feats']) == ['alignps', 'roi_align']
    assert joined['feats']['alignps'].tolist() == [[1, 0], [0, 1], [0, 0]]
    assert joined['feats']['roi_align'].tolist() == [[0, -1], [-1, 0], [0, 0]]


def test_dropping_the_unmatched(monkeypatch, tmp_path):
    (joined,) = join(monkeypatch, tmp_path, [ALIGNPS], [NAE], '--drop-unmatched')
    assert np.array_equal(joined['bboxes'], ALIGNPS['bboxes'][:2])
    assert joined['feats']['alignps'].tolist() == [[1, 0], [0, 1]]
    assert joined['feats']['roi_align'].tolist() == [[0, -1], [-1, 0]]


def test_threshold(monkeypatch, tmp_path):
    """The pairs overlap by 190 of 200 pixels."""
    for iou, partners in (('0.94', 2), ('0.96', 0)):
        (joined,) = join(monkeypatch, tmp_path, [ALIGNPS], [NAE], '--drop-unmatched', '--iou', iou)
        assert len(joined['bboxes']) == partners


def test_pictures_without_people(monkeypatch, tmp_path):
    nobody = [result([], name, []) for name in ('alignps', 'roi_align')]
    joined = join(monkeypatch, tmp_path, [nobody[0], ALIGNPS], [NAE, nobody[1]])
    assert [len(r['bboxes']) for r in joined] == [0, 3]
    assert joined[0]['feats']['roi_align'].shape == (0, 2)
    assert not joined[1]['feats']['roi_align'].any()


def test_described_queries_are_joined(monkeypatch, tmp_path):
    second = NAE | dict(query_boxes=BOX + 0.5, query_feats=dict(roi_align=np.zeros((1, 2))))
    (joined,) = join(monkeypatch, tmp_path, [ALIGNPS | ASKED], [second])
    assert {name: feats.tolist() for name, feats in joined['query_feats'].items()} == {
        'alignps': [[1, 1]],
        'roi_align': [[0, 0]],
    }
    assert joined['query_boxes'].tolist() == BOX.tolist()


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inner = max(width, 0) * max(height, 0)
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


@pytest.mark.parametrize('seed', range(20))
def test_match_against_the_plain_form(seed):
    """Take the best pair of what is left, until none overlaps enough."""
    rng = np.random.default_rng(seed)
    boxes, others = (
        np.hstack([corner, corner + rng.uniform(5, 20, (n, 2))])
        for n in rng.integers(0, 12, 2)
        for corner in [rng.uniform(0, 25, (n, 2))]
    )
    expected = np.full(len(boxes), -1)
    left = {(i, j) for i in range(len(boxes)) for j in range(len(others))}
    while left:
        best = max(left, key=lambda pair: iou(boxes[pair[0]], others[pair[1]]))
        if iou(boxes[best[0]], others[best[1]]) < 0.3:
            break
        expected[best[0]] = best[1]
        left = {pair for pair in left if pair[0] != best[0] and pair[1] != best[1]}
    assert tool.match(boxes, others, 0.3).tolist() == expected.tolist()


def test_queries_that_one_model_alone_describes_are_left_out(monkeypatch, tmp_path):
    for first, second in ((ASKED, {}), ({}, ASKED_NAE)):
        (joined,) = join(monkeypatch, tmp_path, [ALIGNPS | first], [NAE | second])
        assert set(joined) == {'bboxes', 'feats'}


def test_a_pickle_needs_trust(monkeypatch, tmp_path, capsys):
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps([ALIGNPS]))
    save_results(tmp_path / 'b.npz', [NAE])
    command = ['x', str(tmp_path / 'a.pkl'), str(tmp_path / 'b.npz')]
    monkeypatch.setattr(sys, 'argv', [*command, '--out', str(tmp_path / 'out.npz')])
    with pytest.raises(ValueError, match='a.pkl: a pickle.*--trust'):
        tool.main()
    monkeypatch.setattr(sys, 'argv', [*command, '--out', str(tmp_path / 'out.npz'), '--trust'])
    tool.main()
    assert list(load_results(tmp_path / 'out.npz')[0]['feats']) == ['alignps', 'roi_align']
    monkeypatch.setattr(sys, 'argv', [*command, '--out', str(tmp_path / 'out.pkl')])
    with pytest.raises(ValueError, match='--out .*out.pkl'):
        tool.main()


@pytest.mark.parametrize(
    'first, second, said',
    [
        ([ALIGNPS], [NAE, NAE], '1 pictures'),
        ([ALIGNPS], [ALIGNPS], "both have the feature 'alignps'"),
        ([ALIGNPS | dict(img_name='a')], [NAE | dict(img_name='b')], 'picture 0 is a in'),
        ([dict(bboxes=ALIGNPS['bboxes'])], [NAE], 'result 0 has no bboxes and feats'),
        ([None], [NAE], 'no list with one dict an image'),
        ([ALIGNPS | ASKED], [NAE | ASKED_ELSEWHERE], 'describe other query boxes'),
        ([ALIGNPS | ASKED], [NAE | ASKED_MORE], 'describe other query boxes'),
    ],
)
def test_results_that_do_not_belong_together(monkeypatch, tmp_path, first, second, said):
    with pytest.raises(ValueError, match=said):
        join(monkeypatch, tmp_path, first, second)
    assert not (tmp_path / 'out.npz').exists()
