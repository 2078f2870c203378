import io
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from mmdet_ps.core.results_io import load_results, save_results


def sample():
    rng = np.random.default_rng(0)
    return [
        {
            'bboxes': rng.random((n, 5), np.float32),
            'feats': {'alignps': rng.random((n, 8), np.float32), 'roi_align': np.ones((n, 2))},
            'img_name': f'{n}.jpg',
            'pids': np.arange(n),
            'names': np.array(['a', 'bc']),
            'extra': (np.float32(1.5), np.int64(3), np.bool_(True), 1, 2.5, None, b'x'),
        }
        for n in (3, 0, 1)
    ]


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    else:
        assert a == b


def test_round_trip(tmp_path):
    path = tmp_path / 'new' / 'r.pkl'
    save_results(path, sample())
    same(load_results(path), sample())
    with path.open('rb') as stream:
        same(pickle.load(stream), sample())
    assert os.listdir(path.parent) == ['r.pkl']


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('order', 'CF')
def test_every_pickle_protocol(tmp_path, protocol, order):
    results = sample()
    results[0]['bboxes'] = np.asarray(results[0]['bboxes'], order=order)
    path = tmp_path / 'r.pkl'
    path.write_bytes(pickle.dumps(results, protocol=protocol))
    same(load_results(path), results)


def test_arrays_pickled_by_numpy_1(tmp_path):
    content = pickle.dumps(sample(), protocol=0).replace(b'numpy._core', b'numpy.core')
    assert b'numpy.core.multiarray' in content
    path = tmp_path / 'r.pkl'
    path.write_bytes(content)
    same(load_results(path)[0]['feats'], sample()[0]['feats'])
    content = pickle.dumps(sample(), protocol=0).replace(b'numpy.core', b'numpy._core')
    path.write_bytes(content)
    same(load_results(path)[2]['bboxes'], sample()[2]['bboxes'])


class Payload:
    """Creates a file while it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


class Shell(Payload):
    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


class Evaluated(Payload):
    def __reduce__(self):
        return eval, (f'open({self.path!r}, "w")',)


@pytest.mark.parametrize('payload', [Payload, Shell, Evaluated])
def test_payload_is_refused(tmp_path, payload):
    created, path = tmp_path / 'created', tmp_path / 'r.pkl'
    results = [{'bboxes': np.zeros((1, 5)), 'feats': payload(created)}]
    path.write_bytes(pickle.dumps(results))
    with pytest.raises(ValueError, match=r'r.pkl asks for .*refused.*--trust') as caught:
        load_results(path)
    assert '\n' not in str(caught.value)
    assert not created.exists()
    load_results(path, trust=True)
    assert created.exists()


def test_other_ways_to_code_are_refused(tmp_path):
    path = tmp_path / 'r.pkl'

    class Coded:
        def __reduce__(self):
            import _codecs

            return _codecs.encode, ('x', 'rot13')

    class Objects:
        def __reduce__(self):
            return np.dtype, ('O',)

    for harmful in (Coded(), Objects(), np.array([{}], dtype=object), os, subprocess.Popen):
        try:
            content = pickle.dumps([{'x': harmful}])
        except TypeError:
            content = b'cos\n__name__\n.'
        path.write_bytes(content)
        with pytest.raises(ValueError, match='refused'):
            load_results(path)


def test_other_files_are_told(tmp_path):
    path = tmp_path / 'r.pkl'
    with pytest.raises(FileNotFoundError, match=r'r.pkl does not exist.*--out'):
        load_results(path)
    for content in (b'', b'text', pickle.dumps(sample())[:-20]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match='not a readable results file'):
            load_results(path)
    for other in ({'a': 1}, [1, 2], 'text'):
        path.write_bytes(pickle.dumps(other))
        with pytest.raises(ValueError, match='list with one dict an image'):
            load_results(path)


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'r.pkl'
    save_results(path, sample())
    before = path.read_bytes()
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        save_results(path, [{'x': io.StringIO(), 'y': lambda: None}])
    assert path.read_bytes() == before and os.listdir(tmp_path) == ['r.pkl']


def test_evaluation_is_imported_without_torch():
    code = (
        'import sys, mmdet_ps.core.evaluation, mmdet_ps.core.results_io; '
        'print([m for m in ("torch", "mmcv", "mmdet", "scipy", "sklearn") if m in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'
