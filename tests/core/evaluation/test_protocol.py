import json
import os

import numpy as np
import pytest

from mmdet_ps.core.evaluation import CuhkSysuProtocol, PrwProtocol, SearchProtocol, evaluate_search
from mmdet_ps.core.evaluation.protocol import camera_of, to_xyxy

from .cases import NAMES, listed_protocol, open_protocol, three_images

ARRAYS = (
    'query_images', 'query_boxes', 'query_pids', 'gt_indptr', 'gt_places', 'gt_boxes',
    'gallery_indptr', 'gallery_images', 'image_cams',
)  # fmt: skip


def same(a, b):
    assert type(a) is type(b)
    assert (a.name, a.image_names, a.cameras) == (b.name, b.image_names, b.cameras)
    for key in ARRAYS:
        left, right = getattr(a, key), getattr(b, key)
        assert (left is None) == (right is None)
        if left is not None:
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype


@pytest.mark.parametrize('kind', [SearchProtocol, CuhkSysuProtocol, PrwProtocol])
def test_save_and_load(tmp_path, kind):
    rng = np.random.default_rng(0)
    for protocol in (listed_protocol(rng, 5, 3, 4), open_protocol(rng, 5, 3, 'cross')):
        protocol.__class__ = kind
        protocol.image_names[0] = 'ü 1.jpg'
        path = tmp_path / 'folder' / 'p.npz'
        protocol.save(path)
        same(SearchProtocol.load(path), protocol)
        first = path.read_bytes()
        protocol.save(path)
        assert path.read_bytes() == first
        assert os.listdir(path.parent) == ['p.npz']


def test_load_refuses_other_files(tmp_path):
    path = tmp_path / 'p.npz'
    with pytest.raises(FileNotFoundError):
        SearchProtocol.load(path)
    path.write_bytes(b'no zip')
    with pytest.raises(ValueError, match='not a readable protocol'):
        SearchProtocol.load(path)
    np.savez(path, x=np.zeros(2))
    with pytest.raises(ValueError, match='not a protocol file'):
        SearchProtocol.load(path)
    np.savez(path, x=np.array([print], dtype=object))
    with pytest.raises(ValueError, match='not a readable protocol'):
        SearchProtocol.load(path)
    three_images()[0].save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match='not a readable protocol'):
        SearchProtocol.load(path)


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
    used = {protocol.image_names[i] for q in range(3) for i in protocol.gallery(q)}
    assert set(protocol.gallery_names) == used and len(protocol.gallery_names) == len(used)
    assert protocol.query_names == [protocol.image_names[i] for i in protocol.query_images]
    assert three_images()[0].gallery_names == NAMES


def test_box_conversion():
    # Clipped first, then added in float, then cut: -0.5 + nothing, 3.6 + 4.7 = 8.3.
    assert to_xyxy([-5, 3.6, 10.9, 4.7]).tolist() == [0, 3, 10, 8]
    assert to_xyxy([1.6, 2, 1.6, 1]).tolist() == [1, 2, 3, 3]
    assert to_xyxy([1, 2, 3, 4]).dtype == np.int32


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
        (dict(gt_indptr=[0, 2]), 'ground truth arrays'),
        (dict(query_images=[2]), 'query image is out of range'),
        (dict(gt_places=[2]), 'ground truth is out of range'),
        (dict(gt_places=[0]), 'own image'),
        (dict(query_boxes=[[0, 0, 0, 5]]), r'query 0 \(a\) has a box without area'),
        (dict(gt_boxes=[[0, 5, 5, 5]]), r'ground truth of query 0 \(a\)'),
        (dict(cameras='both'), 'all, cross, same'),
        (dict(cameras='same'), 'image_cams'),
        (dict(gallery_indptr=[0, 1], gallery_images=[2], gt_places=[0]), 'gallery image is out'),
        (dict(gallery_indptr=[0, 2], gallery_images=[1], gt_places=[0]), 'gallery_indptr'),
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


def coco(tmp_path, cams=(1, 1, 2), **query):
    images = [
        dict(id=10 * i, file_name=name, width=400, height=200, cam_id=cam)
        for i, (name, cam) in enumerate(zip(NAMES, cams, strict=True))
    ]
    people = [
        (0, [10, 10, 40, 100], 7), (10, [20, 20, 40, 100], 7), (10, [200, 20, 40, 100], 7),
        (20, [0, 0, 40, 100], 7), (20, [90, 0, 40, 100], -2), (20, [90.5, -3, 40.7, 100], 3),
    ]  # fmt: skip
    annotations = [
        dict(id=i, image_id=image, bbox=box, person_id=pid)
        for i, (image, box, pid) in enumerate(people)
    ]
    query = {'file_name': 'a.jpg', 'bbox': [10, 10, 40, 100], 'person_id': 7, **query}
    paths = tmp_path / 'test.json', tmp_path / 'query.json'
    paths[0].write_text(json.dumps(dict(images=images, annotations=annotations)))
    paths[1].write_text(json.dumps([query]))
    return paths


def test_custom_dataset(tmp_path):
    protocol = SearchProtocol.from_coco(*coco(tmp_path))
    assert (protocol.name, protocol.image_names) == ('all', NAMES)
    assert protocol.query_pids.tolist() == [7]
    images, boxes = protocol.ground_truth(0)
    # The identity's second box in b.jpg does not count.
    assert images.tolist() == [1, 2]
    assert boxes.tolist() == [[20, 20, 60, 120], [0, 0, 40, 100]]
    by_hand, bboxes, feats = three_images()
    assert evaluate_search(protocol, NAMES, bboxes, feats) == evaluate_search(
        by_hand, NAMES, bboxes, feats
    )


def test_custom_dataset_by_camera(tmp_path):
    cross = SearchProtocol.from_coco(*coco(tmp_path), cameras='cross')
    assert (cross.name, cross.ground_truth(0)[0].tolist()) == ('cross', [2])
    same_cam = SearchProtocol.from_coco(*coco(tmp_path), cameras='same')
    assert same_cam.ground_truth(0)[0].tolist() == [1]


@pytest.mark.parametrize(
    ('query', 'told'),
    [
        (dict(file_name='x.jpg'), 'query 0: x.jpg is not an image'),
        (dict(person_id=-1), 'not an identity'),
        (dict(bbox=[1, 2, 3]), r'\[x, y, w, h\]'),
        (dict(bbox='wide'), r'\[x, y, w, h\]'),
    ],
)
def test_wrong_queries_are_told(tmp_path, query, told):
    with pytest.raises(ValueError, match=told):
        SearchProtocol.from_coco(*coco(tmp_path, **query))


def test_wrong_custom_files_are_told(tmp_path):
    ann, query = coco(tmp_path, cams=(1, None, 2))
    with pytest.raises(ValueError, match=r'b.jpg has none.*cam_id'):
        SearchProtocol.from_coco(ann, query, 'same')
    with pytest.raises(FileNotFoundError):
        SearchProtocol.from_coco(ann, tmp_path / 'none.json')
    query.write_text('[{"file_name": "a.jpg"}]')
    with pytest.raises(ValueError, match='needs file_name, bbox and person_id'):
        SearchProtocol.from_coco(ann, query)
    query.write_text('{}')
    with pytest.raises(ValueError, match='expected a list'):
        SearchProtocol.from_coco(ann, query)
    ann.write_text('{"images": [{"id": 1}]}')
    query.write_text('[]')
    with pytest.raises(ValueError, match='file_name'):
        SearchProtocol.from_coco(ann, query)
    ann.write_text('{"images"')
    with pytest.raises(ValueError, match='not valid json'):
        SearchProtocol.from_coco(ann, query)
