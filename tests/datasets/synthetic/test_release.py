"""The releases are read here as public person search code reads the real ones."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from mmdet_ps.datasets.synthetic.release import gallery_sizes


def read_images(root: Path) -> dict[str, np.ndarray]:
    boxes = {}
    for name, _, box in loadmat(root / 'annotation' / 'Images.mat')['Img'].squeeze():
        rows = np.asarray([b[0] for b in box[0]])
        boxes[str(name[0])] = rows.reshape(rows.shape[0], 4).astype(np.int32)
    return boxes


def read_pool(root: Path) -> list[str]:
    pool = loadmat(root / 'annotation' / 'pool.mat')['pool'].squeeze()
    return [str(cell[0]) for cell in pool]


def read_train(root: Path) -> list[tuple[str, list[tuple[str, np.ndarray]]]]:
    train = loadmat(root / 'annotation' / 'test' / 'train_test' / 'Train.mat')['Train'].squeeze()
    people = []
    for item in train:
        scenes = item[0, 0][2].squeeze()
        shown = [(str(name[0]), box.squeeze().astype(np.int32)) for name, box, _ in scenes]
        people.append((str(item[0, 0][0][0]), shown))
    return people


def read_protocol(root: Path, size: int):
    path = root / 'annotation' / 'test' / 'train_test' / f'TestG{size}.mat'
    queries = []
    for item in loadmat(path)[f'TestG{size}'].squeeze():
        name = str(item['Query']['imname'][0, 0][0])
        box = item['Query']['idlocate'][0, 0][0].astype(np.int32)
        person = str(item['Query']['idname'][0, 0][0])
        gallery = [
            (str(image[0]), location.squeeze().astype(np.int32) if location.size else None)
            for image, location, _ in item['Gallery'].squeeze()
        ]
        queries.append((name, box, person, gallery))
    return queries


def test_boxes_lie_inside_pictures_of_very_different_people(cuhk_sysu):
    root, counts = cuhk_sysu
    boxes = read_images(root)
    assert len(boxes) == 81
    rows = np.concatenate(list(boxes.values()))
    assert len(rows) == counts['people']
    assert (rows[:, 2:] > 0).all() and (rows[:, :2] >= 0).all()
    assert (rows[:, 0] + rows[:, 2] <= 160).all() and (rows[:, 1] + rows[:, 3] <= 96).all()
    assert rows[:, 3].max() / rows[:, 3].min() >= 5
    for name in boxes:
        assert cv2.imread(str(root / 'Image' / 'SSM' / name)).shape == (96, 160, 3)


def test_train_identities_appear_in_training_pictures_only(cuhk_sysu):
    root, _ = cuhk_sysu
    boxes, test = read_images(root), set(read_pool(root))
    assert len(test) == 51
    people = read_train(root)
    assert len(people) == 15
    for _, scenes in people:
        assert len(scenes) >= 2
        for name, box in scenes:
            assert name not in test
            assert (boxes[name] == box).all(1).sum() == 1


def test_every_query_is_in_its_gallery(cuhk_sysu):
    root, counts = cuhk_sysu
    boxes, test = read_images(root), set(read_pool(root))
    trained = {person for person, _ in read_train(root)}
    queries = read_protocol(root, 50)
    assert len(queries) == counts['queries'] > 51
    for name, box, person, gallery in queries:
        assert person not in trained
        assert name in test
        assert (boxes[name] == box).all(1).sum() == 1
        assert len(gallery) == 50
        images = [image for image, _ in gallery]
        assert len(set(images)) == 50
        assert set(images) <= test - {name}
        found = [location is not None for _, location in gallery]
        # Pictures with the person come first; readers stop at the first without.
        assert found[0]
        assert found == sorted(found, reverse=True)
        for image, location in gallery[: sum(found)]:
            assert (boxes[image] == location).all(1).sum() == 1


def test_galleries_name_every_appearance_of_the_person(cuhk_sysu):
    root, _ = cuhk_sysu
    people = loadmat(root / 'annotation' / 'Person.mat')['Person'].squeeze()
    scenes = {
        str(name[0]): {str(image[0]) for image, _, _ in scene[0]} for name, _, scene in people
    }
    assert len(scenes) == 40
    for name, _, person, gallery in read_protocol(root, 50):
        shown = {image for image, location in gallery if location is not None}
        assert shown == scenes[person] - {name}


def test_records_are_nested_as_in_the_real_files(cuhk_sysu):
    root, counts = cuhk_sysu
    protocol = root / 'annotation' / 'test' / 'train_test'
    table = loadmat(protocol / 'TestG50.mat')['TestG50']
    assert table.shape == (1, counts['queries'])
    query, gallery = table[0, 0]['Query'], table[0, 0]['Gallery']
    assert query.shape == (1, 1)
    assert query.dtype.names == ('imname', 'idlocate', 'ishard', 'idname')
    assert query['idlocate'][0, 0].dtype == np.uint16
    assert query['idlocate'][0, 0].shape == (1, 4)
    assert gallery.shape == (1, 50)
    assert gallery.dtype.names == ('imname', 'idlocate', 'ishard')
    assert gallery[0, -1]['idlocate'].size == 0
    assert loadmat(root / 'annotation' / 'Images.mat')['Img'].dtype.names == (
        'imname',
        'nAppear',
        'box',
    )
    assert loadmat(protocol / 'Train.mat')['Train'].shape == (15, 1)


@pytest.mark.parametrize(
    ('images', 'sizes'), [(51, [50]), (100, [50]), (101, [50, 100]), (5000, None)]
)
def test_gallery_sizes_leave_out_the_query(images, sizes):
    assert gallery_sizes(images) == (sizes or [50, 100, 500, 1000, 2000, 4000])


def read_frame(root: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    annotation = loadmat(root / 'annotations' / f'{name}.mat')
    key = next(k for k in ('box_new', 'anno_file', 'anno_previous') if k in annotation)
    return annotation[key][:, 0].astype(int), annotation[key][:, 1:]


def test_prw_release(prw):
    root, counts = prw
    frames = {}
    for split, count in (('train', 30), ('test', 51)):
        cells = loadmat(root / f'frame_{split}.mat')[f'img_index_{split}']
        frames[split] = [str(cell[0][0]) + '.jpg' for cell in cells]
        assert cells.shape == (count, 1)
    keys, ids, cameras = set(), {}, {}
    for split, names in frames.items():
        ids[split] = set()
        cameras[split] = {int(name[1]) for name in names}
        for name in names:
            pids, boxes = read_frame(root, name)
            keys |= {k for k in loadmat(root / 'annotations' / f'{name}.mat') if k[0] != '_'}
            ids[split] |= set(pids) - {-2}
            assert pids[pids != -2].min(initial=1) >= 1
            assert (boxes[:, 0] + boxes[:, 2] <= 160).all()
            assert (boxes[:, 1] + boxes[:, 3] <= 96).all()
            assert cv2.imread(str(root / 'frames' / name)).shape == (96, 160, 3)
    assert keys == {'box_new', 'anno_file'}
    assert cameras == {'train': set(range(1, 7)), 'test': set(range(1, 7))}
    assert not ids['train'] & ids['test']
    assert ids['train'] | ids['test'] == set(range(1, 41))

    raw = (root / 'query_info.txt').read_bytes()
    assert raw.count(b'\r\n') == raw.count(b'\n') == counts['queries']
    for line in raw.decode().splitlines():
        pid, *box, frame = line.split(' ')
        pids, boxes = read_frame(root, f'{frame}.jpg')
        assert frame + '.jpg' in frames['test']
        assert np.array_equal(boxes[pids == int(pid)], [[float(value) for value in box]])
        elsewhere = [name for name in frames['test'] if name != frame + '.jpg']
        assert any(int(pid) in read_frame(root, name)[0] for name in elsewhere)
