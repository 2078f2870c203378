import numpy as np
import pytest
from scipy.io import savemat

from mmdet_ps.releases import prw as module
from mmdet_ps.releases import prw_protocol
from mmdet_ps.releases.prw import read_release

from ..faults import check_reader
from .official import cells, write_prw

TEST = {
    'c1s2_000301': [(480, -10, 20.9, 30, 60.2), (-2, 60, 20, 30, 60)],
    'c6s1_000302': [(480, 50, 10, 30, 60), (480, 10, 10, 20, 30), (-2, 10, 10, 20, 0)],
    'c1s1_000303': [(7, 5, 6, 30, 60), (480, 90, 9, 31, 61)],
    'c2s1_000304': [],
}
QUERIES = [(480, -10, 20.9, 30, 60.2, 'c1s2_000301'), (7, 5, 6, 30, 60, 'c1s1_000303')]


@pytest.fixture
def release(tmp_path):
    return write_prw(tmp_path, test=TEST, queries=QUERIES)


def test_all_cameras(release):
    protocol = prw_protocol(release)
    assert protocol.name == 'all'
    assert protocol.image_names == [f'{frame}.jpg' for frame in TEST]
    assert protocol.query_names == ['c1s2_000301.jpg', 'c1s1_000303.jpg']
    assert protocol.query_pids.tolist() == [480, 7]
    # x = -10 becomes 0 before the width is added; 20.9 + 60.2 = 81.1.
    assert protocol.query_boxes.tolist() == [[0, 20, 30, 81], [5, 6, 35, 66]]
    images, boxes = protocol.ground_truth(0)
    assert images.tolist() == [1, 2]
    assert boxes.tolist() == [[50, 10, 80, 70], [90, 9, 121, 70]]
    assert protocol.ground_truth(1)[0].tolist() == []
    assert protocol.gallery(0).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ('cameras', 'gallery', 'truths'), [('cross', [1, 3], [1]), ('same', [2], [2])]
)
def test_some_cameras(release, cameras, gallery, truths):
    protocol = prw_protocol(release, cameras)
    assert protocol.name == cameras
    assert protocol.gallery(0).tolist() == gallery
    assert protocol.ground_truth(0)[0].tolist() == truths


def test_wrong_releases_are_told(release, tmp_path):
    with pytest.raises(ValueError, match='all, cross, same'):
        prw_protocol(release, 'other')
    (release / 'query_info.txt').write_text('480 1 2 3 4 c9s9_1\r\n')
    with pytest.raises(ValueError, match=r'c9s9_1.jpg.*frame_test.mat'):
        prw_protocol(release)
    (release / 'query_info.txt').write_text('480 1 2 3 4 c1s2_000301\r\n\r\n480 1 2 3\r\n')
    with pytest.raises(ValueError, match='query_info.txt, line 3: expected pid x y w h frame'):
        prw_protocol(release)
    (release / 'query_info.txt').unlink()
    with pytest.raises(FileNotFoundError, match='query_info.txt'):
        prw_protocol(release)
    path = release / 'annotations' / 'c2s1_000304.jpg.mat'
    savemat(path, {'boxes': np.zeros((1, 5))})
    with pytest.raises(ValueError, match='c2s1_000304.jpg.mat'):
        prw_protocol(release)
    path.unlink()
    with pytest.raises(FileNotFoundError, match='c2s1_000304.jpg.mat'):
        prw_protocol(release)
    with pytest.raises(FileNotFoundError, match='frame_test.mat'):
        prw_protocol(tmp_path / 'nowhere')


@pytest.mark.parametrize(
    'line',
    [
        '1e30 1 2 3 4 c1s2_000301',
        f'{10**30} 1 2 3 4 c1s2_000301',
        '3.7 1 2 3 4 c1s2_000301',
        '-2 1 2 3 4 c1s2_000301',
        '480 1 2 0 4 c1s2_000301',
        '480 nan 2 3 4 c1s2_000301',
        '480 1 2 1e30 4 c1s2_000301',
        '480 1 2 3 4',
        '480 1 2 3 4 5 c1s2_000301',
        'x 1 2 3 4 c1s2_000301',
    ],
)
def test_queries_that_are_none_are_told(release, line):
    (release / 'query_info.txt').write_text(f'7 5 6 30 60 c1s1_000303\r\n{line}\r\n')
    with pytest.raises(ValueError, match='query_info.txt, line 2: '):
        prw_protocol(release)


def test_no_query_is_told(release):
    (release / 'query_info.txt').write_text('\r\n')
    with pytest.raises(ValueError, match='query_info.txt: holds no query'):
        prw_protocol(release)


@pytest.mark.parametrize(
    'row', [(1e30, 5, 6, 30, 60), (3.7, 5, 6, 30, 60), (3, np.nan, 6, 30, 60), (3, 5, 6, 1e30, 60)]
)
def test_numbers_of_no_sense_are_told(release, row):
    """An identity of 1e30 once became "no identity"."""
    savemat(release / 'annotations' / 'c1s1_000303.jpg.mat', {'box_new': [row]})
    with pytest.raises(ValueError, match=r'c1s1_000303.jpg.mat: .*box: holds \['):
        prw_protocol(release)


def test_an_empty_or_repeated_frame_name_is_told(release):
    names = [*TEST, np.zeros((0, 0))]
    savemat(release / 'frame_test.mat', {'img_index_test': cells(names)})
    with pytest.raises(ValueError, match='frame_test.mat: .*no text where a name is expected'):
        prw_protocol(release)
    savemat(release / 'frame_test.mat', {'img_index_test': cells([*TEST, 'c2s1_000304'])})
    with pytest.raises(ValueError, match='frame_test.mat: .*c2s1_000304 occurs twice'):
        prw_protocol(release)


def test_identity_0_is_searched_for(tmp_path):
    test = {'c1s1_1': [(0, 5, 6, 30, 60)], 'c2s1_2': [(0, 50, 10, 30, 60), (3, 1, 1, 9, 9)]}
    protocol = prw_protocol(write_prw(tmp_path, test=test, queries=[(0, 5, 6, 30, 60, 'c1s1_1')]))
    assert protocol.query_pids.tolist() == [0]
    assert protocol.ground_truth(0)[0].tolist() == [1]
    assert protocol.ground_truth(0)[1].tolist() == [[50, 10, 80, 70]]


def test_each_file_is_read_once_for_scenes_and_protocols(release, monkeypatch):
    asked = []
    for name in ('read_matrix', 'read_texts'):
        real = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda path, *keys, real=real: asked.append(path) or real(path, *keys)
        )
    protocols = list(read_release(release).protocols())
    assert [protocol.name for protocol in protocols] == ['all', 'cross', 'same']
    assert len(asked) == len(set(asked)) == len(list((release / 'annotations').iterdir())) + 2
    for protocol in protocols:
        again = prw_protocol(release, protocol.name)
        assert protocol.gt_places.tolist() == again.gt_places.tolist()
        assert protocol.sources == again.sources
        assert set(protocol.sources) == {'query_info.txt', 'frame_test.mat'}


@pytest.mark.parametrize(
    'name', ['query_info.txt', 'frame_test.mat', 'annotations/c1s1_000303.jpg.mat']
)
def test_changed_files_are_one_line(release, name):
    check_reader(release / name, (lambda _: prw_protocol(release)), 90, named=str(release))
