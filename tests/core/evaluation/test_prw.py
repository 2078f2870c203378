import numpy as np
import pytest
from scipy.io import savemat

from mmdet_ps.core.evaluation import PrwProtocol

from ...releases.official import write_prw

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
    protocol = PrwProtocol.from_release(release)
    assert isinstance(protocol, PrwProtocol) and protocol.name == 'all'
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
    protocol = PrwProtocol.from_release(release, cameras)
    assert protocol.name == cameras
    assert protocol.gallery(0).tolist() == gallery
    assert protocol.ground_truth(0)[0].tolist() == truths


def test_wrong_releases_are_told(release, tmp_path):
    with pytest.raises(ValueError, match='all, cross, same'):
        PrwProtocol.from_release(release, 'other')
    (release / 'query_info.txt').write_text('480 1 2 3 4 c9s9_1\r\n')
    with pytest.raises(ValueError, match=r'c9s9_1.jpg.*frame_test.mat'):
        PrwProtocol.from_release(release)
    (release / 'query_info.txt').write_text('480 1 2 3 4 c1s2_000301\r\n\r\n480 1 2 3\r\n')
    with pytest.raises(ValueError, match='line 3: expected pid x y w h frame'):
        PrwProtocol.from_release(release)
    (release / 'query_info.txt').unlink()
    with pytest.raises(FileNotFoundError, match='query_info.txt'):
        PrwProtocol.from_release(release)
    path = release / 'annotations' / 'c2s1_000304.jpg.mat'
    savemat(path, {'boxes': np.zeros((1, 5))})
    with pytest.raises(ValueError, match='c2s1_000304.jpg.mat'):
        PrwProtocol.from_release(release)
    path.unlink()
    with pytest.raises(FileNotFoundError, match='c2s1_000304.jpg.mat'):
        PrwProtocol.from_release(release)
    with pytest.raises(FileNotFoundError, match='frame_test.mat'):
        PrwProtocol.from_release(tmp_path / 'nowhere')
