import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from mmdet_ps.utils import mat as module
from mmdet_ps.utils.mat import read_matrix, read_texts, reading, stream_records, text

from ..faults import check_reader
from ..releases.official import cells, records

BOXES = st.none() | st.lists(st.integers(-300, 70000), min_size=4, max_size=4)
NAMES = st.text('abc.0123456789', min_size=1, max_size=20) | st.just('ü.jpg')
DTYPES = st.sampled_from(['u1', 'u2', 'f8', 'f4', 'i4', 'i8', 'u4'])


def box_array(box, dtype):
    return np.zeros((1, 0)) if box is None else np.array([box]).clip(0).astype(dtype)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(st.tuples(NAMES, BOXES), min_size=1, max_size=6), max_size=4),
    dtype=DTYPES,
    compress=st.booleans(),
    other=st.booleans(),
)
def test_equals_loadmat(tmp_path_factory, rows, dtype, compress, other):
    path = tmp_path_factory.mktemp('mat') / 'x.mat'
    nested = [
        (name_of(i), records(('imname', 'box'), [(n, box_array(b, dtype)) for n, b in row]))
        for i, row in enumerate(rows)
    ]
    content = {'Test7': records(('who', 'Gallery'), nested)}
    if other:
        content = {'before': np.arange(5.0), **content}
    savemat(path, content, do_compression=compress)
    expected = loadmat(path)['Test7'].ravel()
    found = list(stream_records(path, 'Test'))
    assert len(found) == len(expected)
    for (name, record), theirs in zip(found, expected, strict=True):
        assert name == 'Test7'
        assert record['who'].value() == theirs['who'].item()
        gallery, wanted = record['Gallery'].fields(), theirs['Gallery'].ravel()
        assert len(gallery) == len(wanted)
        assert [t.decode() for t in gallery.texts('imname')] == [w['imname'].item() for w in wanted]
        assert gallery.filled('box').tolist() == [i for i, w in enumerate(wanted) if w['box'].size]
        for i, w in enumerate(wanted):
            value = gallery.matrix('box', i).value()
            assert value.size == w['box'].size
            if value.size:
                np.testing.assert_array_equal(value, w['box'])


def name_of(i):
    return f'q{i}' * (i + 1)


@pytest.fixture
def whole(tmp_path):
    path = tmp_path / 'x.mat'
    rng = np.random.default_rng(0)
    rows = [
        (name_of(i), records(('imname',), [(f's{rng.integers(1e9)}.jpg',) for _ in range(50)]))
        for i in range(20)
    ]
    savemat(path, {'Test7': records(('who', 'Gallery'), rows)}, do_compression=True)
    return path


@pytest.mark.parametrize('compressed', [True, False])
def test_every_truncation_is_told(whole, compressed):
    if not compressed:
        savemat(whole, {'Test7': loadmat(whole)['Test7']}, do_compression=False)
    content = whole.read_bytes()
    for share in (0, 60, 127, 130, 140, len(content) // 3, len(content) - 30):
        whole.write_bytes(content[:share])
        with pytest.raises(ValueError, match='x.mat'):
            list(stream_records(whole, 'Test'))


def test_other_files_are_told(whole):
    with pytest.raises(ValueError, match=r"variables \['Test7'\], none of them G"):
        list(stream_records(whole, 'G'))
    savemat(whole, {'Test7': np.arange(3)})
    with pytest.raises(ValueError, match='not a struct array'):
        list(stream_records(whole, 'Test'))
    whole.write_bytes(b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM' + bytes(600))
    with pytest.raises(ValueError, match='-v7'):
        list(stream_records(whole, 'Test'))
    with pytest.raises(FileNotFoundError, match='none.mat: no such file; unpack'):
        list(stream_records(whole.parent / 'none.mat', 'x'))


def test_unknown_field_is_told(whole):
    _, record = next(iter(stream_records(whole, 'Test')))
    with pytest.raises(ValueError, match=r'box.*imname'):
        record['Gallery'].fields().texts('box')
    with pytest.raises(ValueError, match='struct is expected'):
        record['who'].fields()


def read_all(path):
    """As the reader of TestG files does; its own part of the work may fail on changed bytes too."""
    found = []
    for _, record in stream_records(path, 'Test'):
        with reading(path):
            gallery = record['Gallery'].fields()
            found.append((record['who'].value(), gallery.texts('imname')))
    return found


@pytest.mark.parametrize('compressed', [True, False])
def test_changed_files_are_one_line(whole, compressed):
    if not compressed:
        savemat(whole, {'Test7': loadmat(whole)['Test7']}, do_compression=False)
    check_reader(whole, read_all, 400)


def test_a_bit_flipped_in_compressed_data_is_always_seen(whole, monkeypatch):
    """Its sum is checked at the end, also where every record could be read."""
    monkeypatch.setattr(module, '_CHUNK', 1)  # else the sum is read together with the last record
    content, before = whole.read_bytes(), read_all(whole)
    for place in [*range(140, len(content), len(content) // 20), len(content) - 1]:
        changed = bytearray(content)
        changed[place] ^= 16
        whole.write_bytes(changed)
        with pytest.raises(ValueError, match='x.mat'):
            read_all(whole)
    whole.write_bytes(content)
    assert read_all(whole) == before


def test_a_stated_size_is_not_believed(whole):
    savemat(whole, {'Test7': loadmat(whole)['Test7']}, do_compression=False)
    content = whole.read_bytes()
    at = re.search(rb's\d{8,9}\.jpg', content).start() - 8  # the tag: type, size
    whole.write_bytes(content[: at + 4] + b'\xff\xff\xff\x0f' + content[at + 8 :])
    with pytest.raises(ValueError, match='x.mat'):
        read_all(whole)


def same(ours, theirs):
    """Compare a matrix with what scipy's ``loadmat`` makes of it, however nested."""
    if theirs.dtype.kind == 'U':
        assert ours.value() == (theirs.item() if theirs.size else '')
    elif theirs.dtype.names:
        fields = ours.fields()
        assert len(fields) == theirs.size
        for i, record in enumerate(theirs.ravel(order='F')):
            for name in theirs.dtype.names:
                same(fields.matrix(name, i), record[name])
    elif theirs.dtype == object:
        found = ours.cells()
        assert len(found) == theirs.size
        for one, other in zip(found, theirs.ravel(order='F'), strict=True):
            same(one, other)
    else:
        np.testing.assert_array_equal(ours.value(), theirs)


leaves = (
    st.builds(lambda n: np.arange(n * 2.0).reshape(2, n), st.integers(0, 3))
    | st.builds(lambda n, d: np.arange(n, dtype=d)[None], st.integers(1, 5), DTYPES)
    | NAMES
)
trees = st.recursive(
    leaves,
    lambda inside: (
        st.builds(cells, st.lists(inside, max_size=3), st.booleans())
        | st.builds(
            lambda rows: records(('a', 'bc'), rows),
            st.lists(st.tuples(inside, inside), min_size=1, max_size=3),
        )
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from(['one', 'two', 'three']), trees, min_size=1), st.booleans())
def test_any_file_equals_loadmat(tmp_path_factory, content, compress):
    path = tmp_path_factory.mktemp('mat') / 'x.mat'
    savemat(path, content, do_compression=compress)
    theirs = loadmat(path)
    for name in content:
        same(read_matrix(path, 'absent', name), theirs[name])


def test_first_name_that_is_there(tmp_path):
    path = tmp_path / 'a.mat'
    savemat(path, {'pool': cells(['s1.jpg', 's2.jpg']), 'box_new': np.ones((4, 5))})
    assert read_matrix(path, 'absent', 'box_new', 'pool').dims == [4, 5]
    with pytest.raises(ValueError, match=r"a.mat: holds \['pool', 'box_new'\], not Img or Train"):
        read_matrix(path, 'Img', 'Train')
    with pytest.raises(FileNotFoundError, match='b.mat: no such file; unpack the official release'):
        read_matrix(tmp_path / 'b.mat', 'pool')


def test_texts_of_nested_cells(tmp_path):
    path = tmp_path / 'a.mat'
    deep = cells([cells([cells(['s3.jpg'])])])
    savemat(path, {'pool': cells(['s1.jpg', 'ü.jpg', deep])})
    assert read_texts(path, 'pool') == ['s1.jpg', 'ü.jpg', 's3.jpg']


@pytest.mark.parametrize('cell', [np.zeros((0, 0)), '', 'a\nb', 7.0, cells([])])
def test_a_cell_without_text_is_told(tmp_path, cell):
    path = tmp_path / 'a.mat'
    savemat(path, {'pool': cells(['s1.jpg', cell])})
    with pytest.raises(ValueError, match='a.mat: .*no text where a name is expected'):
        read_texts(path, 'pool')
    with pytest.raises(ValueError, match='no text'):
        text(read_matrix(path, 'pool').cells()[1])


@pytest.mark.parametrize('compress', [True, False])
def test_changed_cells_and_numbers_are_one_line(tmp_path, compress):
    path = tmp_path / 'x.mat'
    numbers = np.random.default_rng(0).integers(0, 200, (40, 5))
    savemat(path, {'pool': cells(['a', 'bcd']), 'box': numbers}, do_compression=compress)
    check_reader(path, lambda path: read_texts(path, 'pool'), 300)
    check_reader(path, lambda path: read_matrix(path, 'box'), 300, seed=1)


def test_a_record_too_large_to_be_meant_is_told(whole, monkeypatch):
    monkeypatch.setattr(module, '_LARGEST', 500)
    with pytest.raises(ValueError, match=r'x.mat: .*states a size of \d+ bytes'):
        read_all(whole)
