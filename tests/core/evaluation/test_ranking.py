"""The file of rankings: what is written is read again, and nothing else is."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmdet_ps.core.evaluation import Ranking, evaluate_search, load_rankings, save_rankings
from mmdet_ps.utils.npz import read_arrays, write_arrays

from .cases import random_detections, random_protocol


@pytest.fixture(scope='module')
def rankings():
    found = []
    for seed, kind in enumerate(['listed', 'cross']):
        rng = np.random.default_rng(seed)
        protocol = random_protocol(rng, kind, 6, 4, 6)
        results = random_detections(rng, 6, 5, tied=None)
        details = evaluate_search(protocol, protocol.image_names, *results, return_details=True)
        found.append(details['details'])
    return found


@pytest.fixture(scope='module')
def path(rankings, tmp_path_factory):
    path = tmp_path_factory.mktemp('rankings') / 'r.npz'
    save_rankings(path, rankings)
    return path


def test_what_is_written_is_read_again(rankings, path):
    loaded = load_rankings(path)
    assert len(loaded) == 2
    for written, read in zip(rankings, loaded, strict=True):
        assert read.metrics() == written.metrics()
        for part in fields(Ranking):
            one, other = getattr(written, part.name), getattr(read, part.name)
            np.testing.assert_array_equal(one, other)
            assert type(one) is type(other)
            assert isinstance(one, str) or one.dtype == other.dtype


def test_metrics_by_hand(rankings):
    ranking = load_rankings_of(rankings[0], ap=np.array([0.5, 1, 0, 0.1]))
    ranking.first = np.array([-1, 0, 4, 9])
    assert ranking.metrics() == {'mAP': 0.4, 'top1': 0.25, 'top5': 0.5, 'top10': 0.75}


def load_rankings_of(ranking, **changes):
    return Ranking(**{**vars(ranking), **changes})


def refused(path, arrays):
    write_arrays(path, arrays)
    with pytest.raises(ValueError) as caught:
        load_rankings(path)
    message = str(caught.value)
    assert '\n' not in message and str(path) in message and '--save-ranking' in message
    return message


def number(value):
    def change(array):
        array = array.copy()
        array.flat[-1] = value
        return array

    return change


OUT_OF_RANGE = [
    ('similarity', lambda text: np.array('euclid')),
    ('query_images', number(6)),
    ('query_images', number(-1)),
    ('query_boxes', number(-9)),
    ('query_boxes', lambda boxes: boxes[:, [2, 1, 0, 3]]),
    ('ap', number(np.nan)),
    ('ap', number(1.01)),
    ('ap', number(-0.01)),
    ('first', number(-2)),
    ('gt_indptr', number(1000)),
    ('gt_indptr', lambda indptr: indptr + 1),
    ('gt_indptr', lambda indptr: indptr[[0, 2, 1, 3, 4]]),
    ('gt_indptr', lambda indptr: np.array([1, *indptr[1:]])),
    ('gt_indptr', lambda indptr: np.array([*indptr[:-1], indptr[-1] - 1])),
    ('gt_indptr', lambda indptr: indptr[:-1]),
    ('gt_images', number(6)),
    ('gt_images', number(-1)),
    ('gt_boxes', number(-9)),
    ('gt_ranks', number(-2)),
    ('top_images', number(6)),
    ('top_images', number(-2)),
    ('top_boxes', number(np.inf)),
    ('top_boxes', number(np.nan)),
    ('top_sims', number(np.nan)),
    ('top_sims', number(-np.inf)),
]


@pytest.mark.parametrize(('name', 'change'), OUT_OF_RANGE)
def test_numbers_out_of_range_are_told(path, tmp_path, name, change):
    arrays = read_arrays(path, '')
    arrays[f'1.{name}'] = change(arrays[f'1.{name}'])
    assert f'{name} out of range' in refused(tmp_path / 'r.npz', arrays)


@pytest.mark.parametrize('name', [part.name for part in fields(Ranking)])
def test_other_types_and_shapes_are_told(path, tmp_path, name):
    original = read_arrays(path, '')
    array = original[f'0.{name}']
    others = [
        array.astype('S') if array.dtype.kind == 'U' else array.astype('U'),
        np.zeros(array.shape, 'u2'),
        array.reshape(1, *array.shape),
    ]
    if array.dtype.kind in 'if':
        others.append(array.astype(array.dtype.newbyteorder()))
        others.append(array.astype('f2' if array.dtype.kind == 'f' else 'f8'))
    for other in others:
        assert f'{name} is' in refused(tmp_path / 'r.npz', original | {f'0.{name}': other})
    # More names than are used do no harm.
    for axis in range(array.ndim if name != 'image_names' else 0):
        other = np.repeat(array, 2, axis=axis)
        refused(tmp_path / 'r.npz', original | {f'0.{name}': other})
    del original[f'0.{name}']
    refused(tmp_path / 'r.npz', original)
    assert f'0.{name}' in refused(tmp_path / 'r.npz', original | {'x': np.zeros(1)})


@pytest.mark.parametrize('count', [0, -1, 1, 3, 2**62, 2.0, [2], '2'])
def test_another_count_is_told(path, tmp_path, count):
    assert 'not a ranking file' in refused(
        tmp_path / 'r.npz', read_arrays(path, '') | {'count': np.array(count)}
    )


def test_no_queries_and_no_images_are_told(path, tmp_path):
    arrays = read_arrays(path, '')
    for empty in ('Q', 'I', 'K'):
        changed = dict(arrays)
        for part in fields(Ranking):
            key, shape = f'0.{part.name}', part.metadata.get('shape', ())
            if empty in shape:
                cut = [slice(0) if letter == empty else slice(None) for letter in shape]
                changed[key] = arrays[key][tuple(cut)]
        if empty == 'Q':
            changed['0.gt_indptr'] = np.zeros(1, np.int64)
        assert 'out of range' in refused(tmp_path / 'r.npz', changed)


def test_other_files_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match='--save-ranking'):
        load_rankings(tmp_path / 'none.npz')
    np.save(tmp_path / 'r.npy', np.zeros(3))
    np.savez(tmp_path / 'object.npz', count=np.array([print], dtype=object))
    for other in (tmp_path / 'r.npy', tmp_path / 'object.npz', tmp_path):
        with pytest.raises(ValueError, match='--save-ranking'):
            load_rankings(other)
    assert 'not a ranking file' in refused(tmp_path / 'x.npz', {'x': np.zeros(1)})


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_file_gives_one_line_or_the_same_numbers(path, tmp_path, data):
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    content = content[: data.draw(st.sampled_from([len(content), len(content) // 2, 10]))]
    damaged = tmp_path / 'r.npz'
    damaged.write_bytes(content)
    try:
        loaded = load_rankings(damaged)
    except ValueError as error:
        assert '\n' not in str(error) and str(damaged) in str(error)
    else:
        # A bit of no weight, such as a date.
        for one, other in zip(load_rankings(path), loaded, strict=True):
            for part in fields(Ranking):
                np.testing.assert_array_equal(getattr(one, part.name), getattr(other, part.name))
