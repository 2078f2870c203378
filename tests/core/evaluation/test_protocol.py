import os

import numpy as np
import pytest

from mmdet_ps.core.evaluation import SearchProtocol
from mmdet_ps.core.evaluation.protocol import People, camera_of, to_xyxy
from mmdet_ps.utils.npz import read_arrays, write_arrays

from ...faults import check_reader
from .cases import listed_protocol, open_protocol

ARRAYS = (
    'query_images', 'query_boxes', 'query_pids', 'gt_indptr', 'gt_places', 'gt_boxes',
    'gallery_indptr', 'gallery_images', 'image_cams',
)  # fmt: skip


def same(a, b):
    assert (a.name, a.image_names, a.cameras) == (b.name, b.image_names, b.cameras)
    assert a.sources == b.sources
    for key in ARRAYS:
        left, right = getattr(a, key), getattr(b, key)
        assert (left is None) == (right is None)
        if left is not None:
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype


def saved(protocol, path):
    protocol.sources = {'annotation/ü.mat': 2**32 - 1, 'b.txt': 0}
    protocol.save(path)
    return path


KINDS = [
    lambda rng: listed_protocol(rng, 5, 3, 4),
    lambda rng: open_protocol(rng, 9, 5, 'cross'),
    lambda rng: open_protocol(rng, 9, 5, 'all'),
]


@pytest.mark.parametrize('make', KINDS)
def test_save_and_load(tmp_path, make):
    protocol = make(np.random.default_rng(0))
    protocol.image_names[0] = 'ü 1.jpg'
    path = saved(protocol, tmp_path / 'folder' / 'p.npz')
    same(SearchProtocol.load(path), protocol)
    first = path.read_bytes()
    protocol.save(path)
    assert path.read_bytes() == first
    assert os.listdir(path.parent) == ['p.npz']


def test_load_refuses_other_files(tmp_path):
    path = tmp_path / 'p.npz'
    with pytest.raises(FileNotFoundError, match='p.npz: no such file; convert'):
        SearchProtocol.load(path)
    path.write_bytes(b'no zip')
    with pytest.raises(ValueError, match=r'p.npz: not a readable .npz file'):
        SearchProtocol.load(path)
    for arrays in (dict(x=np.zeros(2)), dict(format=np.ones(3)), dict(format='2')):
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match='p.npz: not a protocol of this version; convert'):
            SearchProtocol.load(path)


@pytest.mark.parametrize('make', KINDS)
@pytest.mark.parametrize('change', ['missing', 'float', 'text', 'flat', 'deep', 'huge', 'negative'])
def test_every_array_is_checked(tmp_path, make, change):
    path = saved(make(np.random.default_rng(0)), tmp_path / 'p.npz')
    whole = read_arrays(path, 'x')
    for name, array in whole.items():
        if name == 'format' or (array.dtype.kind == 'U' and change in ('huge', 'negative')):
            continue
        arrays = dict(whole)
        if change == 'missing':
            del arrays[name]
            # An open gallery for all cameras needs no cameras.
            if name == 'image_cams' and whole['cameras'] == 'all':
                continue
        elif change in ('float', 'text'):
            arrays[name] = (
                array.astype(np.float32 if change == 'float' else 'U20')
                if (array.dtype.kind != 'U')
                else np.zeros(array.shape)
            )
        elif change in ('flat', 'deep'):
            arrays[name] = array.reshape(-1)[:1].reshape(()) if change == 'flat' else array[None]
            if array.ndim == 0:
                arrays[name] = array.reshape(1)
        else:
            arrays[name] = array.astype(np.int64) if change == 'huge' else array.copy()
            # Any identity and any camera is one; a sum may be any number.
            if change == 'negative' and name in ('query_pids', 'image_cams', 'source_sums'):
                continue
            arrays[name].flat[-1] = 2**40 if change == 'huge' else -7
            if change == 'huge' and name in ('query_pids', 'source_sums'):
                continue
        write_arrays(path, arrays)
        with pytest.raises(ValueError, match='p.npz: .*; convert the dataset again') as error:
            SearchProtocol.load(path)
        assert '\n' not in str(error.value), name


@pytest.mark.parametrize('make', KINDS)
def test_changed_files_are_one_line_or_the_same_protocol(tmp_path, make):
    protocol = make(np.random.default_rng(0))
    path = saved(protocol, tmp_path / 'p.npz')

    def accept(loaded):
        assert loaded.num_queries == protocol.num_queries
        assert (loaded.gt_boxes == protocol.gt_boxes).all()

    assert check_reader(path, SearchProtocol.load, 400, accept) > 250


def test_open_gallery_by_camera():
    rng = np.random.default_rng(3)
    for cameras in ('all', 'cross', 'same'):
        protocol = open_protocol(rng, 9, 5, cameras)
        for q in range(5):
            own = protocol.query_images[q]
            cams = protocol.image_cams
            expected = [
                i for i in range(9) if i != own
                and (cameras == 'all' or (cams[i] == cams[own]) == (cameras == 'same'))
            ]  # fmt: skip
            assert protocol.gallery(q).tolist() == expected


def test_names():
    rng = np.random.default_rng(1)
    protocol = listed_protocol(rng, 6, 3, 2)
    assert protocol.query_names == [protocol.image_names[i] for i in protocol.query_images]


def test_box_conversion():
    # Clipped first, then added in float, then cut: -0.5 + nothing, 3.6 + 4.7 = 8.3.
    assert to_xyxy([-5, 3.6, 10.9, 4.7]).tolist() == [0, 3, 10, 8]
    assert to_xyxy([1.6, 2, 1.6, 1]).tolist() == [1, 2, 3, 3]
    assert to_xyxy([1, 2, 3, 4]).dtype == np.int32
    both = to_xyxy([[-5, 3.6, 10.9, 4.7], [1.6, 2, 1.6, 1]])
    assert both.tolist() == [[0, 3, 10, 8], [1, 2, 3, 3]]
    assert to_xyxy(np.zeros((0, 4))).shape == (0, 4)


def test_camera_of():
    assert camera_of('c3s1_000123.jpg') == 3
    assert camera_of('s123.jpg') is None


def build(**changes):
    arrays = dict(
        name='x', image_names=['a', 'b'], query_images=[0], query_boxes=[[0, 0, 5, 5]],
        query_pids=[1], gt_indptr=[0, 1], gt_places=[1], gt_boxes=[[0, 0, 5, 5]],
    )  # fmt: skip
    return SearchProtocol(**{**arrays, **changes})


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        (dict(image_names=['a', 'a']), 'occurs twice'),
        (dict(query_images=[], query_boxes=[], query_pids=[], gt_indptr=[0]), 'no query'),
        (dict(query_pids=[1, 2]), 'query arrays'),
        (dict(gt_indptr=[0, 2]), 'gt_indptr'),
        (dict(query_images=[2]), 'query image is out of range'),
        (dict(gt_places=[2]), 'ground truth is out of range'),
        (dict(gt_places=[0]), 'own image'),
        (dict(query_boxes=[[0, 0, 0, 5]]), r'query 0 \(a\) has a box without area'),
        (dict(gt_boxes=[[0, 5, 5, 5]]), r'ground truth of query 0 \(a\)'),
        (dict(cameras='both'), 'all, cross, same'),
        (dict(cameras='same'), 'image_cams'),
        (dict(gallery_indptr=[0, 1], gallery_images=[2], gt_places=[0]), 'gallery image is out'),
        (dict(gallery_indptr=[0, 2], gallery_images=[1], gt_places=[0]), 'gallery_indptr'),
        (dict(gallery_images=[1], gt_places=[0]), 'belong together'),
        (dict(gallery_indptr=[0, 1]), 'belong together'),
        (dict(gt_indptr=[1, 1]), 'gt_indptr'),
        (
            dict(
                gt_indptr=[0, -1, 1],
                query_images=[0, 0],
                query_boxes=[[0, 0, 5, 5]] * 2,
                query_pids=[1, 1],
            ),
            'gt_indptr',
        ),
        (dict(gt_boxes=[]), 'ground truth arrays'),
        (dict(image_cams=[1]), 'one camera an image'),
        (dict(query_images=[0.0]), r'query_images is float64 \(1,\), not integers'),
        (dict(query_boxes=[0, 0, 5, 5]), 'query_boxes'),
        (dict(query_boxes=[[0, 0, 5, 2**31]]), 'query_boxes holds numbers beyond int32'),
        (dict(query_boxes=[[-(2**32), 0, 5, 5]]), 'query_boxes holds numbers beyond int32'),
        (dict(gallery_indptr=[0, 1], gallery_images=[1]), 'ground truth is out of range'),
        (
            dict(gt_indptr=[0, 2], gt_places=[1, 1], gt_boxes=[[0, 0, 5, 5]] * 2),
            'two ground truths',
        ),
    ],
)
def test_contradictions_are_told(changes, told):
    assert build().num_queries == 1
    with pytest.raises(ValueError, match=told):
        build(**changes)


def test_from_people_by_hand():
    """Identity 0 counts like any other; of two boxes in one image, the first."""
    boxes = np.array([[i, i, i + 9, i + 9] for i in range(7)], np.int32)
    people = People(np.array([2, 0, 1, 2, 1, 0, 1]), np.array([0, 0, 5, 0, 0, 5, 0]), boxes)
    queries = [(0, 0, boxes[1]), (0, 5, boxes[5]), (2, 0, boxes[0]), (1, 9, boxes[2])]
    protocol = SearchProtocol.from_people(['a', 'b', 'c'], iter(queries), people)
    found = [protocol.ground_truth(query) for query in range(4)]
    assert [images.tolist() for images, _ in found] == [[1, 2], [1], [0, 1], []]
    assert [rows[:, 0].tolist() for _, rows in found] == [[4, 0], [2], [1, 4], []]
    assert protocol.query_pids.tolist() == [0, 5, 0, 9]
    assert protocol.name == 'all' and protocol.image_cams is None


@pytest.mark.parametrize('cameras, truths', [('cross', [[2], []]), ('same', [[1], [1]])])
def test_from_people_by_camera(cameras, truths):
    names = ['c1s1_1.jpg', 'c1s1_2.jpg', 'c2s1_3.jpg']
    boxes = np.array([[0, 0, 9, 9]] * 5, np.int32)
    people = People(np.array([0, 1, 2, 0, 1]), np.array([0, 0, 0, 1, 1]), boxes)
    queries = [(0, 0, boxes[0]), (0, 1, boxes[0])]
    protocol = SearchProtocol.from_people(names, queries, people, cameras)
    assert [protocol.ground_truth(query)[0].tolist() for query in range(2)] == truths
    assert protocol.image_cams.tolist() == [1, 1, 2]
    swapped = SearchProtocol.from_people(names, queries, people, cameras, [1, 2, 1])
    assert swapped.image_cams.tolist() == [1, 2, 1]
    assert swapped.ground_truth(0)[0].tolist() == [3 - truths[0][0]]


def test_from_people_needs_every_camera():
    nobody = People(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4), np.int32))
    query = [(0, 0, np.array([0, 0, 9, 9]))]
    with pytest.raises(ValueError, match=r"cameras='same'.*b.jpg has none.*cam_id"):
        SearchProtocol.from_people(['a.jpg', 'b.jpg'], query, nobody, 'same', [1, None])
    assert SearchProtocol.from_people(['a.jpg', 'b.jpg'], query, nobody).gt_indptr.tolist() == [
        0,
        0,
    ]
    with pytest.raises(ValueError, match='all, cross, same'):
        SearchProtocol.from_people(['a.jpg', 'b.jpg'], query, nobody, 'other')
    with pytest.raises(ValueError, match='there is no query'):
        SearchProtocol.from_people(['a.jpg'], [], nobody)
