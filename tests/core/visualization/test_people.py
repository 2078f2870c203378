import cv2
import numpy as np
import pytest

from mmdet_ps.core.visualization.people import crop_person, draw_people, save_picture


def scene(width=400, height=300):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 255 // width, rows * 255 // height, 0 * rows], 2).astype(np.uint8)


@pytest.mark.parametrize(
    'box', [(150, 100, 200, 220), (0, 0, 30, 80), (380, 250, 400, 300), (-20, 10, 20, 90)]
)
def test_a_cut_shows_the_box_where_it_says(box):
    picture = np.zeros((300, 400, 3), np.uint8)
    x1, y1, x2, y2 = (max(value, 0) for value in box)
    picture[y1:y2, x1:x2] = 255
    cut, placed = crop_person(picture, box, (200, 250))
    assert cut.shape == (250, 200, 3)
    assert max((placed[2] - placed[0]) / 200, (placed[3] - placed[1]) / 250) == pytest.approx(0.74)
    rows, columns = np.nonzero(cut[..., 0] > 128)
    seen = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    wanted = np.clip(placed, 0, [200, 250, 200, 250])
    assert np.abs(seen - wanted).max() <= 3


def test_a_cut_stays_inside_a_scene_that_is_large_enough():
    cut, _ = crop_person(np.full((300, 400, 3), 7, np.uint8), (0, 0, 30, 60), (200, 250))
    assert (cut == 7).all()


def test_a_large_person_is_made_smaller_in_place():
    picture = scene(4000, 3000)
    cut, (x1, y1, x2, y2) = crop_person(picture, (1000, 500, 2000, 2500), (200, 250))
    for x, y, column, row in ((x1, y1, 1000, 500), (x2, y2, 2000, 2500)):
        blue, green, _ = cut[round(y), round(x)].astype(float)
        assert blue == pytest.approx(column * 255 / 4000, abs=3)
        assert green == pytest.approx(row * 255 / 3000, abs=3)


def test_people_are_framed_and_the_rest_is_left():
    picture = scene()
    before = picture.copy()
    drawn = draw_people(picture, np.array([[100, 100, 150, 200], [300, 0, 380, 290]]), ['0', '1'])
    assert np.array_equal(picture, before) and drawn.shape == picture.shape
    changed = (drawn != picture).any(axis=2)
    assert changed[150, 98:102].any() and changed[150, 148:153].any()
    assert not changed[120:195, 106:144].any() and not changed[:, :80].any()
    assert np.array_equal(draw_people(picture, np.empty((0, 4))), picture)


def test_labels_stay_in_the_picture_and_beside_each_other():
    boxes = np.array([[0, 0, 40, 40], [0, 0, 41, 41], [390, 290, 400, 300]], float)
    drawn = draw_people(np.zeros((300, 400, 3), np.uint8), boxes, ['0  0.99', '1  0.98', '2  0.97'])
    white = (drawn > 200).all(axis=2)
    parts, _ = cv2.connectedComponents(white.astype(np.uint8))
    assert white.any() and parts > 10


def test_pictures_are_saved_whole_or_not_at_all(tmp_path):
    save_picture(tmp_path / 'new' / 'a.png', scene())
    assert np.array_equal(cv2.imread(str(tmp_path / 'new' / 'a.png')), scene())
    with pytest.raises(ValueError, match='ends in'):
        save_picture(tmp_path / 'a.xyz', scene())
    assert not (tmp_path / 'a.xyz').exists()
