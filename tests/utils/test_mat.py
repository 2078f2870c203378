import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from mmdet_ps.utils.mat import box, load_mat, official_structure, text


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp('mat') / 'a.mat'
    cells = np.empty((2, 1), object)
    cells[:, 0] = ['s1.jpg', 's2.jpg']
    numbers = np.random.default_rng(0).integers(0, 200, (40, 5))
    savemat(path, {'pool': cells, 'box_new': numbers}, do_compression=True)
    return path


def test_first_key_that_is_there(file):
    assert load_mat(file, 'absent', 'box_new', 'pool').shape == (40, 5)
    with pytest.raises(ValueError, match=r"a.mat: holds \['pool', 'box_new'\], not Img or Train"):
        load_mat(file, 'Img', 'Train')


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='b.mat: no such file; unpack the official release'):
        load_mat(tmp_path / 'b.mat', 'pool')


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_cut_and_changed_files_are_named(file, data):
    """Either the key is read, or one error names the file: scipy raises all sorts."""
    whole = bytearray(file.read_bytes())
    cut = data.draw(st.integers(0, len(whole)))
    changed = data.draw(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=3)
    )
    for place, value in changed:
        whole[place] = value
    path = file.with_name('broken.mat')
    path.write_bytes(whole[:cut])
    try:
        load_mat(path, 'pool')
    except ValueError as error:
        assert 'broken.mat' in str(error) and 'unpack the release again' in str(error)


def test_another_structure_is_named():
    with pytest.raises(ValueError, match='x.mat: not of the official structure'):
        with official_structure('x.mat'):
            np.zeros(1, dtype=[('a', object)])['imname']


@given(st.text(alphabet=st.characters(codec='ascii'), min_size=1), st.integers(0, 3))
def test_text_of_nested_cells(word, depth):
    cell = np.array([word])
    for _ in range(depth):
        outer = np.empty((1, 1), object)
        outer[0, 0] = cell
        cell = outer
    assert text(cell) == text(np.array([word])) == str(np.array([word])[0])


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.int32, np.float64])
def test_box_of_any_type_and_shape(dtype):
    assert box(np.array([[3, 4, 5, 6]], dtype)).tolist() == [3, 4, 5, 6]
    assert box(np.array([[3], [4], [5], [6]], dtype)).tolist() == [3, 4, 5, 6]
    cell = np.empty((1, 1), object)
    cell[0, 0] = np.array([[3, 4, 5, 6]], dtype)
    assert box(cell).tolist() == [3, 4, 5, 6]
    assert box(np.zeros((0, 0), dtype)).shape == (0,)
