import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from mmdet_ps.core.evaluation.matfile import stream_records

from ...releases.official import records

BOXES = st.none() | st.lists(st.integers(-300, 70000), min_size=4, max_size=4)
NAMES = st.text('abc.0123456789', min_size=1, max_size=20) | st.just('ü.jpg')
DTYPES = st.sampled_from(['f8', 'f4', 'i4', 'i8', 'u4'])


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
    found = list(stream_records(path, r'Test\d+'))
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
            list(stream_records(whole, r'Test\d+'))


def test_other_files_are_told(whole):
    with pytest.raises(ValueError, match=r'no variable that matches G.*Test7'):
        list(stream_records(whole, 'G'))
    savemat(whole, {'Test7': np.arange(3)})
    with pytest.raises(ValueError, match='not a struct array'):
        list(stream_records(whole, r'Test\d+'))
    whole.write_bytes(b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM' + bytes(600))
    with pytest.raises(ValueError, match='-v7'):
        list(stream_records(whole, r'Test\d+'))
    with pytest.raises(FileNotFoundError):
        list(stream_records(whole.parent / 'none.mat', 'x'))


def test_unknown_field_is_told(whole):
    _, record = next(iter(stream_records(whole, r'Test\d+')))
    with pytest.raises(ValueError, match=r'box.*imname'):
        record['Gallery'].fields().texts('box')
    with pytest.raises(ValueError, match='struct is expected'):
        record['who'].fields()
