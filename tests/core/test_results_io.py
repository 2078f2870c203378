import io
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from mmdet_ps.core.results_io import check_out, load_results, save_results
from mmdet_ps.utils.npz import read_arrays, write_arrays


def sample(queries=True):
    """Pictures with 3, 0 and 1 people; one query each in the first and the last."""
    rng = np.random.default_rng(0)
    results = [
        {
            'bboxes': rng.random((n, 5), np.float32),
            'feats': {'roi_align': rng.random((n, 8), np.float32), 'alignps': np.ones((n, 2))},
            'img_name': f'{n}.jpg',
        }
        for n in (3, 0, 1)
    ]
    for result, k in zip(results, (1, 0, 1), strict=True) if queries else ():
        result['query_boxes'] = rng.random((k, 4), np.float32)
        result['query_feats'] = {'roi_align': rng.random((k, 8)), 'alignps': rng.random((k, 2))}
    return results


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert set(a) == set(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    else:
        assert a == b


def stored(path):
    return read_arrays(path, 'cure')


@pytest.mark.parametrize('queries', [True, False])
def test_round_trip(tmp_path, queries):
    path = tmp_path / 'new' / 'r.npz'
    save_results(path, sample(queries))
    loaded = load_results(path)
    same(loaded, sample(queries))
    assert all(list(result['feats']) == ['roi_align', 'alignps'] for result in loaded)
    assert os.listdir(path.parent) == ['r.npz']
    # Rows of one array each, nothing copied.
    assert loaded[0]['bboxes'].base is loaded[2]['bboxes'].base is not None
    assert loaded[0]['feats']['alignps'].base is loaded[2]['feats']['alignps'].base is not None


def test_what_the_file_holds(tmp_path):
    path = tmp_path / 'r.npz'
    results = sample()
    save_results(path, results)
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays) == {
            'names', 'counts', 'boxes', 'feats_roi_align', 'feats_alignps',
            'query_counts', 'query_boxes', 'query_feats_roi_align', 'query_feats_alignps',
        }  # fmt: skip
        assert arrays['names'].tolist() == ['3.jpg', '0.jpg', '1.jpg']
        assert arrays['counts'].tolist() == [3, 0, 1]
        assert arrays['query_counts'].tolist() == [1, 0, 1]
        np.testing.assert_array_equal(
            arrays['feats_roi_align'], np.concatenate([r['feats']['roi_align'] for r in results])
        )


def test_pictures_of_one_kind_only(tmp_path):
    """Without people at all, without names, and queries in some pictures alone."""
    path = tmp_path / 'r.npz'
    nobody = dict(bboxes=np.zeros((0, 5), np.float32), feats={'a': np.zeros((0, 4), np.float32)})
    save_results(path, [nobody, nobody])
    same(load_results(path), [nobody, nobody])
    asked = nobody | dict(query_boxes=np.ones((2, 5), np.float32), query_feats={'a': np.eye(2)})
    save_results(path, [nobody, asked, nobody])
    loaded = load_results(path)
    same(loaded[1], asked)
    assert loaded[0]['query_boxes'].shape == (0, 5)
    assert loaded[2]['query_feats']['a'].shape == (0, 2)
    # An empty array of another width, as a picture without people may have.
    one = dict(bboxes=np.ones((1, 5), np.float32), feats={'a': np.ones((1, 4), np.float32)})
    save_results(path, [nobody | dict(feats={'a': np.zeros((0, 0))}), one])
    assert [result['feats']['a'].shape for result in load_results(path)] == [(0, 4), (1, 4)]


def test_names_of_files(tmp_path):
    for name in ('r.pkl', 'r', 'r.npz.gz'):
        with pytest.raises(ValueError, match=f'{name}: results are written as .npz'):
            save_results(tmp_path / name, sample())
        with pytest.raises(ValueError, match='a name that ends so'):
            check_out(tmp_path / name)
    check_out(None)
    check_out('a.npz')
    assert list(tmp_path.iterdir()) == []


def wrong(change):
    results = sample()
    change(results)
    return results


@pytest.mark.parametrize(
    'results, said',
    [
        ([], 'no results of any picture'),
        ([1], 'no list with one dict an image'),
        ({'a': 1}, 'no list with one dict an image'),
        ('text', 'no list with one dict an image'),
        (wrong(lambda r: r[1].pop('feats')), 'result 1 has no bboxes and feats'),
        (wrong(lambda r: r[1].pop('bboxes')), 'result 1 has no bboxes and feats'),
        (wrong(lambda r: r[1].update(feats=[1])), 'result 1 has no bboxes and feats'),
        (wrong(lambda r: [x.update(query_feats=dict(sorted(x['query_feats'].items()))) for x in r]),
         'not of the same features in the same order'),
        (wrong(lambda r: r[0].update(bboxes=np.full((3, 5), 'a'))), 'boxes of result 0 is <U1'),
        (wrong(lambda r: r[0].update(bboxes=None)), 'boxes of result 0 is object'),
        (wrong(lambda r: r[0]['feats'].update(alignps=None)), 'feats_alignps of result 0'),
        (wrong(lambda r: r[0].update(bboxes=np.ones((2, 5)))), r'of result 0 is .*\(3, 8\)'),
        (wrong(lambda r: r[0].update(bboxes=np.ones((3, 4)))), 'boxes has rows of different'),
        (wrong(lambda r: r[2]['feats'].update(alignps=np.ones((1, 3)))), 'different lengths'),
        (wrong(lambda r: r[2]['feats'].update(more=np.ones((1, 3)))), 'result 2 has other feats'),
        (wrong(lambda r: r[2].pop('img_name')), 'result 2 has no text as img_name'),
        (wrong(lambda r: r[2].update(img_name=3)), 'result 2 has no text as img_name'),
        (wrong(lambda r: r[2]['bboxes'].fill(np.nan)), 'NaN or infinity in picture 2'),
        (wrong(lambda r: r[0]['bboxes'].fill(np.inf)), 'NaN or infinity in picture 0'),
        (wrong(lambda r: r[2].pop('query_feats')), 'result 2 has no query_boxes and query_feats'),
        (wrong(lambda r: r[2].pop('query_boxes')), 'result 2 has no query_boxes and query_feats'),
        (wrong(lambda r: [x['query_feats'].pop('alignps') for x in r]), 'feats_alignps is missing'),
        (wrong(lambda r: [x['feats'].pop('alignps') for x in r]), 'not of the same features'),
        (wrong(lambda r: [x['feats'].clear() for x in r]), 'feats_NAME is missing'),
    ],
)  # fmt: skip
def test_other_results_are_not_written(tmp_path, results, said):
    with pytest.raises(ValueError, match=said) as caught:
        save_results(tmp_path / 'r.npz', results)
    assert 'r.npz' in str(caught.value) and '\n' not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    # A pickle is held to the same rules.
    (tmp_path / 'r.pkl').write_bytes(pickle.dumps(results))
    with pytest.raises(ValueError, match=said):
        load_results(tmp_path / 'r.pkl', trust=True)


@pytest.mark.parametrize(
    'changes, said',
    [
        (dict(counts=None), 'counts is missing'),
        (dict(boxes=None), 'boxes is missing'),
        (dict(feats_roi_align=None), 'not of the same features'),
        (dict(feats_roi_align=None, feats_alignps=None), 'feats_NAME is missing'),
        (dict(query_counts=None), 'query_counts is missing'),
        (dict(query_boxes=None), 'query_boxes is missing'),
        (dict(query_feats_alignps=None), 'query_feats_alignps is missing'),
        (dict(query_feats_other=np.ones((2, 2))), 'not of the same features'),
        (dict(counts=0), 'counts must have'),
        (dict(counts=[0.5, 3, 0.5]), 'counts must have'),
        (dict(counts=[]), 'counts must have'),
        (dict(counts=[[3, 0, 1]]), 'counts must have'),
        (dict(counts=np.zeros(0, int)), 'counts must have'),
        (dict(counts=[3, 0, 2]), 'add up to the 4 rows of boxes'),
        (dict(counts=[3, 0, 0]), 'add up to the 4 rows of boxes'),
        (dict(counts=[5, -2, 1]), 'add up to the 4 rows of boxes'),
        (dict(counts=[4, -1, 1]), 'add up to the 4 rows of boxes'),
        (dict(counts=[2**62, 2**62, 2**62, 2**62 + 4]), 'add up to the 4 rows of boxes'),
        (dict(counts=np.array([2**64 - 1, 2, 3], np.uint64)), 'add up to the 4 rows of boxes'),
        (dict(query_counts=[2, 0]), 'not of the same pictures'),
        (dict(query_counts=[2, 1, 0]), 'add up to the 2 rows of query_boxes'),
        (dict(boxes=np.ones((4, 4))), r'boxes is float64 of shape \(4, 4\)'),
        (dict(boxes=np.ones((4, 5), int)), 'boxes is int64'),
        (dict(boxes=np.ones(4)), r'boxes is float64 of shape \(4,\)'),
        (dict(boxes=1.0), r'boxes is float64 of shape \(\)'),
        (dict(query_boxes=np.ones((2, 6))), r'query_boxes is float64 of shape \(2, 6\)'),
        (dict(query_boxes=np.full((2, 4), np.nan)), 'query_boxes holds NaN .* in picture 0'),
        (dict(feats_alignps=np.ones((3, 2))), r'feats_alignps is float64 of shape \(3, 2\) for 4'),
        (dict(feats_alignps=np.ones((4, 2), int)), 'feats_alignps is int64'),
        (dict(feats_alignps=np.ones(4)), 'feats_alignps'),
        (dict(query_feats_alignps=np.ones((1, 2))), 'query_feats_alignps .* for 2 boxes'),
        (dict(names=['a', 'b']), r'names is <U1 of shape \(2,\)'),
        (dict(names=[1, 2, 3]), 'names is int64'),
            ],
)  # fmt: skip
def test_other_arrays_are_told(tmp_path, changes, said):
    path = tmp_path / 'r.npz'
    save_results(path, sample())
    arrays = stored(path) | changes
    write_arrays(path, {name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(ValueError, match=f'r.npz: no results file, .*{said}.*--out') as caught:
        load_results(path)
    assert '\n' not in str(caught.value)


def test_other_files_are_told(tmp_path):
    path = tmp_path / 'r.npz'
    with pytest.raises(FileNotFoundError, match=r'r.npz: no such file; .*--out'):
        load_results(path)
    numpy_file = io.BytesIO()
    np.save(numpy_file, np.ones((3, 5)))
    save_results(path, sample())
    whole = path.read_bytes()
    for content in (b'', b'text', whole[:-20], whole[:200], numpy_file.getvalue(), b'\x80\x04N.'):
        path.write_bytes(content)
        with pytest.raises(ValueError, match='r.npz: not a readable .npz file .*--out'):
            load_results(path)


def test_flipped_bits_are_one_line_or_nothing(tmp_path):
    """Every byte of a file changed in turn: an error that names the file, or the same results.

    Some bytes, times and attributes of the archive's members, say nothing about the results.
    """
    path = tmp_path / 'r.npz'
    results = [dict(bboxes=np.ones((2, 5), np.float32), feats={'a': np.eye(2, dtype=np.float32)})]
    save_results(path, results)
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        for flip in (1, 0x80):
            changed = bytearray(whole)
            changed[place] ^= flip
            path.write_bytes(changed)
            try:
                same(load_results(path), results)
            except ValueError as error:
                assert 'r.npz' in str(error) and '\n' not in str(error)
                refused += 1
    assert refused > len(whole)


def test_cut_files_are_one_line(tmp_path):
    path = tmp_path / 'r.npz'
    save_results(path, sample())
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match='r.npz'):
            load_results(path)


def test_huge_counts_ask_for_no_memory(tmp_path):
    """A header that states 10^12 rows, with a right check sum."""
    path = tmp_path / 'r.npz'
    save_results(path, sample(queries=False))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for shape in ('(1000000000000, 5)', '(9223372036854775807, 5)', '(-4, 5)'):
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': %s, }\n" % shape.encode()
        boxes = b'\x93NUMPY\x01\x00' + len(header).to_bytes(2, 'little') + header + bytes(80)
        with zipfile.ZipFile(path, 'w') as archive:
            for name, content in (members | {'boxes.npy': boxes}).items():
                archive.writestr(name, content)
        with pytest.raises(ValueError, match='r.npz: not a readable .npz file .*boxes'):
            load_results(path)


class Payload:
    """Creates a file while it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


def test_a_pickle_is_read_with_trust_alone(tmp_path):
    """mmdet's ``tools/test.py --out FILE.pkl`` writes such a list."""
    path, created = tmp_path / 'r.pkl', tmp_path / 'created'
    path.write_bytes(pickle.dumps([*sample(), {'x': Payload(created)}]))
    with pytest.raises(ValueError, match='r.pkl: a pickle, which can run code.*--trust') as caught:
        load_results(path)
    assert '\n' not in str(caught.value) and not created.exists()
    with pytest.raises(ValueError, match='result 3 has no'):
        load_results(path, trust=True)
    assert created.exists()
    path.write_bytes(pickle.dumps(sample()))
    same(load_results(path, trust=True), sample())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match='r.pkl: not a readable pickle'):
        load_results(path, trust=True)
    with pytest.raises(FileNotFoundError, match='none.pkl: no such results file'):
        load_results(tmp_path / 'none.pkl', trust=True)


def test_trust_opens_no_pickle_by_another_name(tmp_path):
    path, created = tmp_path / 'r.npz', tmp_path / 'created'
    path.write_bytes(pickle.dumps([{'x': Payload(created)}]))
    with pytest.raises(ValueError, match='not a readable .npz file'):
        load_results(path, trust=True)
    assert not created.exists()


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'r.npz'
    save_results(path, sample())
    before = path.read_bytes()
    with pytest.raises(ValueError):
        save_results(path, [*sample(), {'x': 1}])
    assert path.read_bytes() == before and os.listdir(tmp_path) == ['r.npz']


def test_evaluation_is_imported_without_torch():
    code = (
        'import sys, mmdet_ps.core.evaluation, mmdet_ps.core.results_io; '
        'print([m for m in ("torch", "mmcv", "mmdet", "scipy", "sklearn") if m in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'
