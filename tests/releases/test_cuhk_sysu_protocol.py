import numpy as np
import pytest
from scipy.io import loadmat, savemat

from mmdet_ps.core.evaluation import SearchProtocol
from mmdet_ps.releases import cuhk_sysu_protocol
from mmdet_ps.releases.cuhk_sysu import read_release

from ..faults import check_reader
from .official import CUHK_POOL, CUHK_TEST, cells, records, write_cuhk

# (image, box) of each query; galleries with a repeat, the query's own image, and several truths.
TEST = [
    (
        ('s4.jpg', (12, 8, 33, 66)),
        [('s5.jpg', (70, 9, 28, 55)), ('s6.jpg', None), ('s5.jpg', (1, 2, 3, 4))],
    ),
    (
        ('s6.jpg', (20, 11, 27, 53)),
        [('s5.jpg', (-3, 12, 22, 44)), ('s6.jpg', (20, 11, 27, 53)), ('s4.jpg', None)],
    ),
]


@pytest.fixture
def release(tmp_path):
    return write_cuhk(tmp_path, test=TEST)


def mat(release, size=50):
    return release / 'annotation' / 'test' / 'train_test' / f'TestG{size}.mat'


def test_testg(release):
    protocol = cuhk_sysu_protocol(mat(release))
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


def full(root):
    *_, protocol = read_release(root).protocols()
    return protocol


def test_release_gives_every_protocol(release):
    assert [protocol.name for protocol in read_release(release).protocols()] == [
        'G50',
        'G100',
        'all',
    ]


def test_full_gallery_by_identity(release):
    protocol = full(release)
    assert protocol.name == 'all' and protocol.is_open
    assert protocol.image_names == CUHK_POOL
    assert protocol.query_names == ['s4.jpg', 's6.jpg']
    # Identity 0 counts as any other. Query 0: the first box of the repeated image; query 1: not in
    # its own image.
    assert protocol.query_pids.tolist() == [0, 1]
    assert [protocol.image_names[i] for i in protocol.ground_truth(0)[0]] == ['s5.jpg']
    assert protocol.ground_truth(0)[1].tolist() == [[70, 9, 98, 64]]
    assert [protocol.image_names[i] for i in protocol.ground_truth(1)[0]] == ['s5.jpg']
    assert [protocol.image_names[i] for i in protocol.gallery(1)] == ['s4.jpg', 's5.jpg']


def test_queries_of_one_person_find_what_any_of_them_lists(tmp_path):
    """Two queries with one idname, each listing one of the other two pictures."""
    write_cuhk(tmp_path, sizes=())
    fields = ('imname', 'idlocate', 'ishard')
    rows = [
        (
            records((*fields, 'idname'), [(name, np.array([box]), 0, 'same')]),
            records(fields, [(shown, np.array([there]), 0)]),
        )
        for name, box, shown, there in [
            ('s4.jpg', (12, 8, 33, 66), 's5.jpg', (70, 9, 28, 55)),
            ('s6.jpg', (20, 11, 27, 53), 's4.jpg', (12, 8, 33, 66)),
        ]
    ]
    path = tmp_path / 'annotation' / 'test' / 'train_test' / 'TestG50.mat'
    savemat(path, {'TestG50': records(('Query', 'Gallery'), rows)})
    assert cuhk_sysu_protocol(path).query_pids.tolist() == [0, 0]
    protocol = full(tmp_path)
    found = [protocol.ground_truth(query)[0].tolist() for query in range(2)]
    assert found == [[CUHK_POOL.index('s5.jpg')], [1, 2]]


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
    protocol = cuhk_sysu_protocol(path)
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
    assert (SearchProtocol.load(saved(protocol, tmp_path)).gt_boxes == protocol.gt_boxes).all()


def saved(protocol, folder):
    protocol.save(folder / 'p.npz')
    return folder / 'p.npz'


def test_missing_files_are_told(release):
    with pytest.raises(FileNotFoundError, match='TestG4000.mat: no such file'):
        cuhk_sysu_protocol(mat(release, 4000))
    (release / 'annotation' / 'pool.mat').unlink()
    with pytest.raises(FileNotFoundError, match='pool.mat'):
        full(release)


def test_image_outside_the_pool_is_told(tmp_path):
    root = write_cuhk(tmp_path, pool=['s6.jpg', 's4.jpg'])
    with pytest.raises(ValueError, match=r'TestG50.mat: names s5.jpg.*pool.mat'):
        full(root)


@pytest.mark.parametrize(
    'pool, told',
    [
        (['s6.jpg', np.zeros((0, 0)), 's5.jpg'], 'no text where a name is expected'),
        (['s6.jpg', '', 's5.jpg'], 'no text where a name is expected'),
        (['s6.jpg', 's4.jpg', 's6.jpg'], 's6.jpg occurs twice'),
        (['s6.jpg', 7.0], 'no text where a name is expected'),
    ],
)
def test_pool_with_an_empty_cell_or_a_repeat_is_told(release, pool, told):
    savemat(release / 'annotation' / 'pool.mat', {'pool': cells(pool)})
    with pytest.raises(ValueError, match=f'pool.mat: .*official structure .*{told}'):
        read_release(release)


def test_file_of_another_size_under_an_official_name_is_told(release, tmp_path):
    mat(release, 100).write_bytes(mat(release, 50).read_bytes())
    with pytest.raises(ValueError, match='TestG100.mat: holds TestG50, not TestG100'):
        cuhk_sysu_protocol(mat(release, 100))
    other = tmp_path / 'mine.mat'
    other.write_bytes(mat(release, 50).read_bytes())
    assert cuhk_sysu_protocol(other).name == 'G50'


@pytest.mark.parametrize('box', [(1, 2, float('nan'), 4), (1, 2, 1e30, 4), (1, 2, 0, 4)])
def test_boxes_that_are_none_are_told(tmp_path, box):
    test = [(('s4.jpg', (12, 8, 33, 66)), [('s5.jpg', box)]), CUHK_TEST[1]]
    root = write_cuhk(tmp_path)
    fields = ('imname', 'idlocate', 'ishard')
    rows = [
        (
            records((*fields, 'idname'), [(name, np.array([where]), 0, name)]),
            records(
                fields, [(n, np.zeros((0, 0)) if b is None else np.array([b]), 0) for n, b in g]
            ),
        )
        for (name, where), g in test
    ]
    savemat(mat(root), {'TestG50': records(('Query', 'Gallery'), rows)})
    with pytest.raises(ValueError, match='TestG50.mat: .*(idlocate|box without area)'):
        cuhk_sysu_protocol(mat(root))


@pytest.mark.parametrize('name', ['TestG50', 'Train', 'Images', 'pool'])
def test_changed_files_are_one_line(tmp_path, name):
    root = write_cuhk(tmp_path, sizes=(50,))
    (path,) = root.rglob(f'{name}.mat')
    check_reader(path, (lambda _: read_release(root)), 90, named=str(root))


def test_broken_record_is_told(tmp_path):
    path = tmp_path / 'TestG50.mat'
    fields = ('imname', 'idlocate', 'ishard')
    query = records((*fields, 'idname'), [('s1.jpg', np.ones((1, 3)), 0, 'p0')])
    gallery = records(fields, [('s2.jpg', np.zeros((1, 0)), 0)])
    savemat(path, {'TestG50': records(('Query', 'Gallery'), [(query, gallery)])})
    with pytest.raises(ValueError, match='query 0 of TestG50: .*idlocate has 3 values'):
        cuhk_sysu_protocol(path)
    savemat(path, {'TestG50': records(('Query', 'Images'), [(query, gallery)])})
    with pytest.raises(ValueError, match='query 0 of TestG50'):
        cuhk_sysu_protocol(path)
