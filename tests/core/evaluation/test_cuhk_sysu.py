import numpy as np
import pytest
from scipy.io import loadmat, savemat

from mmdet_ps.core.evaluation import CuhkSysuProtocol, SearchProtocol

from ...releases.official import CUHK_POOL, records, write_cuhk

# (image, box) of each query; galleries with a repeat, the query's own image, and several truths.
TEST = [
    (
        ('s4.jpg', (12, 8, 33, 66)),
        [('s5.jpg', (70, 9, 28, 55)), ('s6.jpg', None), ('s5.jpg', (1, 2, 3, 4))],
    ),
    (
        ('s6.jpg', (20, 11, 27, 53)),
        [('s5.jpg', (3, 12, 22, 44)), ('s6.jpg', (20, 11, 27, 53)), ('s4.jpg', None)],
    ),
]


@pytest.fixture
def release(tmp_path):
    return write_cuhk(tmp_path, test=TEST)


def mat(release, size=50):
    return release / 'annotation' / 'test' / 'train_test' / f'TestG{size}.mat'


def test_testg(release):
    protocol = CuhkSysuProtocol.from_mat(mat(release))
    assert protocol.name == 'G50' and not protocol.is_open
    assert protocol.query_names == ['s4.jpg', 's6.jpg']
    assert protocol.query_boxes.tolist() == [[12, 8, 45, 74], [20, 11, 47, 64]]
    assert protocol.query_pids.tolist() == [0, 1]
    names = protocol.image_names
    assert [names[i] for i in protocol.gallery(0)] == ['s5.jpg', 's6.jpg', 's5.jpg']
    assert [names[i] for i in protocol.gallery(1)] == ['s5.jpg', 's6.jpg', 's4.jpg']
    images, boxes = protocol.ground_truth(0)
    assert [names[i] for i in images] == ['s5.jpg', 's5.jpg']
    assert boxes.tolist() == [[70, 9, 98, 64], [1, 2, 4, 6]]
    images, boxes = protocol.ground_truth(1)
    assert [names[i] for i in images] == ['s5.jpg', 's6.jpg']
    assert CuhkSysuProtocol.from_release(release, 50).gallery_images.tolist() == (
        protocol.gallery_images.tolist()
    )
    assert CuhkSysuProtocol.from_release(release, 'G100').name == 'G100'


def test_full_gallery_by_identity(release):
    protocol = CuhkSysuProtocol.from_release(release, 'all')
    assert protocol.name == 'all' and protocol.is_open
    assert protocol.image_names == CUHK_POOL
    assert isinstance(protocol, CuhkSysuProtocol)
    assert protocol.query_names == ['s4.jpg', 's6.jpg']
    # Query 0: the first box of the repeated image; query 1: not in its own image.
    assert [protocol.image_names[i] for i in protocol.ground_truth(0)[0]] == ['s5.jpg']
    assert protocol.ground_truth(0)[1].tolist() == [[70, 9, 98, 64]]
    assert [protocol.image_names[i] for i in protocol.ground_truth(1)[0]] == ['s5.jpg']
    assert [protocol.image_names[i] for i in protocol.gallery(1)] == ['s4.jpg', 's5.jpg']


def test_random_testg_equals_loadmat(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for i in range(30):
        box = rng.integers(1, 300, 4).astype(rng.choice(['u1', 'u2', 'f8']))
        query = (f's{rng.integers(40)}.jpg', box[None].clip(1), 0, f'p{i}')
        gallery = [
            (f's{rng.integers(40)}.jpg', rng.integers(1, 900, (1, 4)).astype('u2'), np.uint8(0))
            if rng.random() < 0.2
            else (f's{rng.integers(40)}.jpg', np.zeros((1, 0)), np.zeros((1, 0)))
            for _ in range(50)
        ]
        fields = ('imname', 'idlocate', 'ishard')
        rows.append((records((*fields, 'idname'), [query]), records(fields, gallery)))
    path = tmp_path / 'TestG50.mat'
    savemat(path, {'TestG50': records(('Query', 'Gallery'), rows)}, do_compression=True)
    protocol = CuhkSysuProtocol.from_mat(path)
    for q, record in enumerate(loadmat(path)['TestG50'].ravel()):
        gallery = record['Gallery'].ravel()
        assert [protocol.image_names[i] for i in protocol.gallery(q)] == [
            entry['imname'].item() for entry in gallery
        ]
        images, boxes = protocol.ground_truth(q)
        found = [entry for entry in gallery if entry['idlocate'].size]
        assert [protocol.image_names[i] for i in images] == [e['imname'].item() for e in found]
        xywh = np.array([entry['idlocate'][0].astype(int) for entry in found]).reshape(-1, 4)
        assert boxes.tolist() == np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]]).tolist()
        query = record['Query'][0, 0]
        assert protocol.query_names[q] == query['imname'].item()
        assert protocol.query_boxes[q, :2].tolist() == query['idlocate'][0, :2].tolist()
    protocol.save(tmp_path / 'p.npz')
    assert type(SearchProtocol.load(tmp_path / 'p.npz')) is CuhkSysuProtocol


def test_missing_and_unknown_are_told(release, tmp_path):
    with pytest.raises(ValueError, match='gallery size 70 is unknown.*50, 100, and all'):
        CuhkSysuProtocol.from_release(release, 70)
    with pytest.raises(ValueError, match='small'):
        CuhkSysuProtocol.from_release(release, 'small')
    with pytest.raises(FileNotFoundError, match='TestG4000.mat is missing'):
        CuhkSysuProtocol.from_mat(mat(release, 4000))
    with pytest.raises(FileNotFoundError, match='unpacked CUHK-SYSU'):
        CuhkSysuProtocol.from_release(tmp_path / 'nowhere', 50)
    (release / 'annotation' / 'pool.mat').unlink()
    with pytest.raises(FileNotFoundError, match='pool.mat'):
        CuhkSysuProtocol.from_release(release, 'all')


def test_image_outside_the_pool_is_told(tmp_path):
    root = write_cuhk(tmp_path, pool=['s6.jpg', 's4.jpg'])
    with pytest.raises(ValueError, match=r's5.jpg.*pool.mat'):
        CuhkSysuProtocol.from_release(root, 'all')


def test_broken_record_is_told(tmp_path):
    path = tmp_path / 'TestG50.mat'
    fields = ('imname', 'idlocate', 'ishard')
    query = records((*fields, 'idname'), [('s1.jpg', np.ones((1, 3)), 0, 'p0')])
    gallery = records(fields, [('s2.jpg', np.zeros((1, 0)), 0)])
    savemat(path, {'TestG50': records(('Query', 'Gallery'), [(query, gallery)])})
    with pytest.raises(ValueError, match='query 0 of TestG50: idlocate has 3 values'):
        CuhkSysuProtocol.from_mat(path)
    savemat(path, {'TestG50': records(('Query', 'Images'), [(query, gallery)])})
    with pytest.raises(ValueError, match='query 0 of TestG50'):
        CuhkSysuProtocol.from_mat(path)
