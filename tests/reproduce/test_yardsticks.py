import numpy as np
import pytest

from mmdet_ps.reproduce.yardsticks import colour_feats, colour_stripes, random_feats


@pytest.fixture
def picture():
    """20 x 40 (width x height): four bands of 10 rows; columns 0-4 and 15-19 are white."""
    picture = np.full((40, 20, 3), 255, np.uint8)
    for k in range(4):
        picture[10 * k : 10 * k + 10, 5:15] = (10 * k, 20 * k, 30 * k)
    return picture


def test_stripes_are_the_middle_of_the_box(picture):
    feats = colour_stripes(picture, np.array([[0, 0, 20, 40]]))
    assert feats.dtype == np.float32
    assert feats.tolist() == [[0, 0, 0, 10, 20, 30, 20, 40, 60, 30, 60, 90]]


def test_stripe_over_two_bands_is_their_mean(picture):
    # Rows 5 - 25: stripes of five rows, in bands 0, 1, 1, 2.
    feats = colour_stripes(picture, np.array([[0, 5, 20, 25]])).reshape(4, 3)
    assert feats[:, 0].tolist() == [0, 10, 10, 20]
    # Rows 5 - 45, of which 5 are outside: the lowest stripe has rows 35 - 40 alone.
    feats = colour_stripes(picture, np.array([[0, 5, 20, 45]])).reshape(4, 3)
    assert feats[:, 0].tolist() == [5, 15, 25, 30]


@pytest.mark.parametrize(
    'box', [[-30, -30, -20, -10], [100, 100, 140, 180], [3.2, 4.1, 3.3, 4.2], [0, 0, 0, 0]]
)
def test_boxes_outside_or_without_area_have_a_colour(picture, box):
    feats = colour_stripes(picture, np.array([box], np.float32))
    assert np.isfinite(feats).all() and (feats >= 0).all() and (feats <= 255).all()


def test_set_mean_is_subtracted(picture, tmp_path):
    import cv2

    paths = [tmp_path / 'a.png', tmp_path / 'b.png', tmp_path / 'c.png']
    for path, shift in zip(paths, (0, 40, 0), strict=True):
        cv2.imwrite(str(path), np.minimum(picture, 200) + np.uint8(shift))
    box = np.array([[0, 0, 20, 40, 0.9]], np.float32)
    feats = colour_feats(paths, [box, box, np.zeros((0, 5), np.float32)])
    assert [len(row) for row in feats] == [1, 1, 0]
    assert np.allclose(feats[0], -20) and np.allclose(feats[1], 20)


def test_random_feats_follow_their_seed():
    first, again, other = (
        random_feats([3, 0, 2], 1),
        random_feats([3, 0, 2], 1),
        random_feats([3], 2),
    )
    assert [row.shape for row in first] == [(3, 256), (0, 256), (2, 256)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
