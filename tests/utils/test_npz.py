import io
import pickle
import zipfile

import numpy as np
import pytest

from mmdet_ps.utils.npz import read_arrays, write_arrays

ARRAYS = {
    'numbers': np.arange(12, dtype=np.float32).reshape(3, 4),
    'columns': np.asfortranarray(np.arange(6).reshape(2, 3)),
    'texts': np.array(['a.jpg', 'bé/c.jpg']),
    'none': np.zeros((0, 5), np.float32),
    'one': np.array(7),
    'yes': np.array([True, False]),
}


def member(array, **kwargs):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **kwargs)
    return stream.getvalue()


def archive_of(path, **members):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in members.items():
            archive.writestr(f'{name}.npy', data)
    return path


@pytest.mark.parametrize('compress', [False, True])
def test_what_is_written_is_read(tmp_path, compress):
    write_arrays(tmp_path / 'deep' / 'a.npz', ARRAYS, compress)
    read = read_arrays(tmp_path / 'deep' / 'a.npz', 'make it')
    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype and np.array_equal(read[name], array)
        assert read[name].flags.writeable or not array.size
        # NumPy's own reader agrees.
        assert np.array_equal(np.load(tmp_path / 'deep' / 'a.npz')[name], array)


def test_a_missing_file_and_a_folder_are_named_with_the_cure(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'a\.npz: no such file; make it'):
        read_arrays(tmp_path / 'a.npz', 'make it')
    with pytest.raises(ValueError, match='folder'):
        read_arrays(tmp_path, 'make it')


def test_an_array_file_in_place_of_the_archive(tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros(3))
    with pytest.raises(ValueError, match=r'a\.npy: not a readable \.npz file .*; make it'):
        read_arrays(tmp_path / 'a.npy', 'make it')


def test_objects_are_neither_written_nor_read(tmp_path):
    with pytest.raises(ValueError, match='feats holds object'):
        write_arrays(tmp_path / 'a.npz', {'feats': np.array([None, 1])})
    assert not list(tmp_path.iterdir())
    objects = np.array([print, 1], dtype=object)
    path = archive_of(tmp_path / 'a.npz', a=member(objects, allow_pickle=True))
    with pytest.raises(ValueError, match='holds object'):
        read_arrays(path, 'make it')
    (tmp_path / 'b.npz').write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match='not a readable'):
        read_arrays(tmp_path / 'b.npz', 'make it')


@pytest.mark.parametrize('order', '<>')
def test_a_text_that_is_none_is_refused(tmp_path, order):
    """NumPy hands such letters to Python, which fails with an error of the interpreter."""
    letters = np.array([97, 0x110000, 98], f'{order}u4')
    path = archive_of(tmp_path / 'a.npz', a=member(letters.view(f'{order}U1')))
    with pytest.raises(ValueError, match='a.npy holds what is no text'):
        read_arrays(path, 'make it')
    last = np.array([97, 0x10FFFF, 98], f'{order}u4').view(f'{order}U1')
    path = archive_of(tmp_path / 'a.npz', a=member(last))
    assert read_arrays(path, 'make it')['a'].tolist() == ['a', chr(0x10FFFF), 'b']


@pytest.mark.parametrize('shape', ['(3,)', '(10000000000000000,)', '(-1,)', '(2, 1e9)', '("a",)'])
def test_a_stated_size_is_not_believed(tmp_path, shape):
    data = member(np.arange(2.0))
    header = data[10:128].decode().replace('(2,)', shape)
    text = header.rstrip().ljust(117) + '\n'
    path = archive_of(tmp_path / 'a.npz', a=data[:10] + text.encode()[:118] + data[128:])
    with pytest.raises(ValueError, match='make it'):
        read_arrays(path, 'make it')


def test_every_flipped_bit_and_every_cut_is_a_value_error_or_harmless(tmp_path):
    path = tmp_path / 'a.npz'
    write_arrays(path, {'x': np.arange(5, dtype=np.float32), 'names': np.array(['a', 'bc'])}, True)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in (0, 3, 7):
            broken = bytearray(whole)
            broken[place] ^= 1 << bit
            path.write_bytes(broken)
            try:
                read = read_arrays(path, 'make it')
            except ValueError as error:
                assert 'make it' in str(error)
            else:
                assert all(array.dtype.kind in 'biufUS' for array in read.values())
        path.write_bytes(whole[:place])
        with pytest.raises(ValueError, match='make it'):
            read_arrays(path, 'make it')
