import numpy as np
import pytest

from mmdet_ps.core.evaluation import Ranking
from mmdet_ps.core.visualization.search_picture import (
    QUERY,
    RIGHT,
    WRONG,
    choose_queries,
    draw_search,
)


@pytest.fixture
def ranking():
    """Two queries, K = 3: the first finds right, wrong, right; the second one wrong box."""
    boxes = np.zeros((2, 3, 5), np.float32)
    boxes[..., :4] = (20, 10, 60, 90)
    return Ranking(
        feature='alignps',
        protocol='G50',
        image_names=np.array(['a', 'b', 'c']),
        query_images=np.array([0, 1]),
        query_boxes=np.array([[20, 10, 60, 90], [0, 0, 30, 60]]),
        query_pids=np.array([5, 6]),
        ap=np.array([0.8333, 0.0]),
        first=np.array([0, -1]),
        gt_indptr=np.array([0, 2, 3]),
        gt_images=np.array([1, 2, 0]),
        gt_boxes=np.zeros((3, 4), np.int32),
        gt_ranks=np.array([0, 2, -1]),
        top_images=np.array([[1, 2, 1], [0, -1, -1]]),
        top_boxes=boxes,
        top_sims=np.array([[0.9, 0.8, 0.7], [0.6, 0, 0]], np.float32),
        top_right=np.array([[True, False, True], [False, False, False]]),
    )


def frame_colours(sheet, row):
    """Colour of the frame of each cell in a row of the sheet; None where there is no cell."""
    y = 44 + row * (12 + 40 + 230) + 12 + 40 + 1
    found = []
    for k in range(4):
        x = (12 if k == 0 else 24 + k * 162) + 75
        colour = tuple(int(value) for value in sheet[y, x])
        found.append(None if colour == (255, 255, 255) else colour)
    return found


def test_frames_say_right_and_wrong(ranking):
    read = []

    def picture(name):
        read.append(name)
        return np.full((100, 120, 3), 90, np.uint8)

    sheet = draw_search(ranking, [0, 1], picture, topk=3)
    assert sheet.dtype == np.uint8
    assert frame_colours(sheet, 0) == [QUERY, RIGHT, WRONG, RIGHT]
    assert frame_colours(sheet, 1) == [QUERY, WRONG, None, None]
    assert read == ['a', 'b', 'c', 'b', 'b', 'a']


def test_crop_shows_the_box_with_context(ranking):
    picture = np.full((100, 120, 3), 90, np.uint8)
    picture[10:90, 20:60] = (0, 0, 255)
    sheet = draw_search(ranking, [0], lambda name: picture, topk=1)
    cell = sheet[44 + 12 + 40 :][:230, 12:162].astype(int)
    red = (np.abs(cell - (0, 0, 255)).max(2) < 30).mean()
    # The 40 x 80 box is scaled by 0.72 * 230 / 80 to 83 x 166 pixels of the cell's 150 x 230; its
    # frame covers about two of them on each side.
    assert red == pytest.approx((83 - 4) * (166 - 4) / (150 * 230), rel=0.06)
    assert (np.abs(cell - 90).max(2) < 10).mean() > 0.3


@pytest.mark.parametrize('box', [[-50, -50, -10, -10], [5, 5, 5, 5], [0, 0, 119, 99]])
def test_any_box_can_be_drawn(ranking, box):
    ranking.query_boxes[0] = box
    draw_search(ranking, [0], lambda name: np.zeros((100, 120, 3), np.uint8), topk=2)


def test_number_of_boxes_is_checked(ranking):
    with pytest.raises(ValueError, match='--topk 4: must be 1 to 3'):
        draw_search(ranking, [0], lambda name: np.zeros((9, 9, 3), np.uint8), topk=4)


def test_choice_of_queries():
    assert choose_queries(101, 3) == [0, 50, 100]
    assert choose_queries(101, 1) == [0]
    assert choose_queries(101, [7, 3]) == [7, 3]
    with pytest.raises(ValueError, match='--queries 0'):
        choose_queries(101, 0)
    with pytest.raises(ValueError, match='--queries 102'):
        choose_queries(101, 102)
    with pytest.raises(ValueError, match='no query 101'):
        choose_queries(101, [5, 101])
