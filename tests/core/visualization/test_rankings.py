from dataclasses import replace

import numpy as np
import pytest

from mmdet_ps.core.evaluation import Ranking
from mmdet_ps.core.visualization.rankings import (
    MISSED,
    QUERY,
    RIGHT,
    WRONG,
    choose_queries,
    choose_ranking,
    is_second_box,
    parse_queries,
    search_sheet,
)


@pytest.fixture
def ranking():
    """Two queries, K = 3: the first finds right, wrong, right; the second one wrong box."""
    boxes = np.zeros((2, 3, 5), np.float32)
    boxes[..., :4] = (20, 10, 60, 90)
    boxes[..., 4] = [[0.99, 0.88, 0.77], [0.66, 0, 0]]
    return Ranking(
        feature='alignps',
        protocol='G50',
        similarity='cosine x score',
        image_names=np.array(['a', 'b', 'c']),
        query_images=np.array([0, 1]),
        query_boxes=np.array([[20, 10, 60, 90], [0, 0, 30, 60]]),
        query_pids=np.array([5, 6]),
        ap=np.array([0.8333, 0.0]),
        first=np.array([0, -1]),
        gt_indptr=np.array([0, 5, 6]),
        gt_images=np.array([1, 2, 0, 1, 2, 0]),
        gt_boxes=np.array([[k, 0, 20 + k, 40] for k in (0, 100, 200, 300, 400, 500)]),
        gt_ranks=np.array([0, 2, 36, -1, 11, -1]),
        top_images=np.array([[1, 2, 1], [0, -1, -1]]),
        top_boxes=boxes,
        top_sims=np.array([[0.91, 0.82, 0.73], [0.64, 0, 0]], np.float32),
        top_right=np.array([[True, False, True], [False, False, False]]),
    )


def texts(cell):
    return cell and [text for text, _ in cell.lines]


def test_a_row_a_query(ranking):
    sheet = search_sheet(ranking, [1, 0], topk=3)
    assert sheet.title == 'search results, alignps, G50'
    second, first = sheet.rows
    assert [texts(cell) for cell in first] == [
        ['query 0', 'AP 83 %, 5 to find'],
        ['1: 0.91'],
        ['2: 0.82'],
        ['3: 0.73'],
    ]
    assert [cell.colour for cell in first] == [QUERY, RIGHT, WRONG, RIGHT]
    assert [cell.picture for cell in first] == ['a', 'b', 'c', 'b']
    assert [cell.box[:4].tolist() for cell in first] == [[20, 10, 60, 90]] * 4
    assert [texts(cell) for cell in second] == [
        ['query 1', 'AP 0 %, 1 to find'],
        ['1: 0.64'],
        ['nobody'],
        ['nobody'],
    ]
    assert second[0].box.tolist() == [0, 0, 30, 60] and second[0].picture == 'b'
    assert second[2].box is None
    assert len(search_sheet(ranking, [0], topk=1).rows[0]) == 2


def test_legend_says_what_is_drawn(ranking):
    legend = dict(search_sheet(ranking, [0], topk=2).legend)
    assert legend == {
        'query': QUERY,
        'right person': RIGHT,
        'wrong': WRONG,
        'wrong and "again": a second box of a person found with another': WRONG,
        'ranks 1 - 2, number: cosine x score': None,
    }
    ranking.similarity = 'matched sum'
    legend = dict(search_sheet(ranking, [0], topk=3, show=['missed']).legend)
    assert legend['ranks 1 - 3, number: matched sum'] is None
    assert legend['missed: to be found, not among these'] == MISSED


def test_a_second_box_of_somebody_found(ranking):
    """In picture c somebody was found at (20, 10, 60, 90), a bit off the wrong box of rank 2."""
    assert not is_second_box(ranking, 0, 1)
    ranking.gt_boxes[1] = (25, 10, 65, 90)  # IoU 35 / 45
    assert is_second_box(ranking, 0, 1)
    assert texts(search_sheet(ranking, [0], topk=3).rows[0][2]) == ['2: 0.82 again']
    # A right box is no second one, wherever it is.
    ranking.gt_boxes[0] = (20, 10, 60, 90)
    assert texts(search_sheet(ranking, [0], topk=3).rows[0][1]) == ['1: 0.91']
    # Too little overlap; another picture; nobody found there.
    ranking.gt_boxes[1] = (35, 10, 75, 90)  # IoU 25 / 55
    assert not is_second_box(ranking, 0, 1)
    ranking.gt_boxes[1] = (25, 10, 65, 90)
    ranking.gt_ranks[1] = -1
    assert not is_second_box(ranking, 0, 1)
    ranking.gt_ranks[1], ranking.gt_images[1] = 2, 0
    assert not is_second_box(ranking, 0, 1)


def test_names_and_scores(ranking):
    (row,) = search_sheet(ranking, [0], topk=2, show=['names', 'scores']).rows
    assert [texts(cell) for cell in row] == [
        ['query 0', 'AP 83 %, 5 to find', 'a'],
        ['1: 0.91', 'score 0.99', 'b'],
        ['2: 0.82', 'score 0.88', 'c'],
    ]


def test_missed_people(ranking):
    """Shown are ranks 1 and 2: of five people those of ranks 3, 12, 37 and one without a box."""
    (row,) = search_sheet(ranking, [0], topk=2, show=['missed', 'names']).rows
    assert [texts(cell) for cell in row[3:]] == [
        ['missed: rank 3', 'c'],
        ['missed: rank 12', 'c'],
        ['1 more missed', 'missed: rank 37', 'a'],
    ]
    assert [int(cell.box[0]) for cell in row[3:]] == [100, 400, 200]
    assert {cell.colour for cell in row[3:]} == {MISSED}
    (row,) = search_sheet(ranking, [0], topk=3, show=['missed']).rows
    assert [texts(cell) for cell in row[4:]] == [
        ['missed: rank 12'],
        ['missed: rank 37'],
        ['missed: no box'],
    ]
    (row,) = search_sheet(ranking, [1], topk=3, show=['missed']).rows
    assert [texts(cell) for cell in row[4:]] == [['missed: no box'], None, None]


def test_number_of_boxes_is_checked(ranking):
    for topk in (0, 4):
        with pytest.raises(ValueError, match=f'--topk {topk}: must be 1 to 3'):
            search_sheet(ranking, [0], topk=topk)


def test_choice_of_queries():
    assert choose_queries(101, 3) == [0, 50, 100]
    assert choose_queries(101, 1) == [0]
    assert choose_queries(101, [7, 3]) == [7, 3]
    assert choose_queries(3, 2, [2, 0, 1]) == [2, 0]
    assert choose_queries(3, [1], [2, 0, 1]) == [1]
    with pytest.raises(ValueError, match='--queries 0'):
        choose_queries(101, 0)
    with pytest.raises(ValueError, match='--queries 102'):
        choose_queries(101, 102)
    with pytest.raises(ValueError, match='no query 101'):
        choose_queries(101, [5, 101])
    with pytest.raises(ValueError, match='--queries 4'):
        choose_queries(3, 4, [2, 0, 1])


def test_queries_as_text():
    assert parse_queries('6') == 6
    assert parse_queries('3, 17') == [3, 17]
    assert parse_queries('3,') == [3]
    for text in ('', ',', 'all', '3;4', '-1', '1.5'):
        with pytest.raises(ValueError, match=f'--queries {text}: give a number'):
            parse_queries(text)


def test_choice_of_a_ranking(ranking):
    every = [
        replace(ranking, feature=feature, protocol=protocol)
        for protocol in ('G50', 'all')
        for feature in ('alignps', 'roi_align', 'concatenation')
    ]
    assert choose_ranking(every) is every[2]
    assert choose_ranking(every, 'alignps') is every[0]
    assert choose_ranking(every, None, 'all') is every[5]
    assert choose_ranking(every, 'roi_align', 'all') is every[4]
    for feature, protocol in (('roi', None), ('alignps', 'G100')):
        with pytest.raises(KeyError, match='known: alignps on G50, .*concatenation on all'):
            choose_ranking(every, feature, protocol)
