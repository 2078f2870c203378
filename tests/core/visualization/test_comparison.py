from dataclasses import replace

import numpy as np
import pytest

from mmdet_ps.core.evaluation import Ranking
from mmdet_ps.core.visualization import check_same_queries, comparison_sheet, most_different
from mmdet_ps.core.visualization.comparison import QUERY
from mmdet_ps.core.visualization.rankings import RIGHT, WRONG
from mmdet_ps.core.visualization.sheet import FAINT


def ranking(right, ap, images, similarity='cosine'):
    """Queries from picture a for two people each in b; ``right`` and ``images`` are (Q, K)."""
    right, images = np.array(right, bool), np.array(images)
    count, k = right.shape
    boxes = np.zeros((count, k, 5), np.float32)
    boxes[..., :4] = (0, 0, 30, 60)
    boxes[..., 0] = images  # each picture's boxes begin elsewhere
    boxes[..., 4] = 0.75
    return Ranking(
        feature='x',
        protocol='G50',
        similarity=similarity,
        image_names=np.array(['a', 'b', 'c', 'd']),
        query_images=np.zeros(count, int),
        query_boxes=np.tile([5, 5, 25, 45], (count, 1)) + np.arange(count)[:, None],
        query_pids=np.arange(count),
        ap=np.array(ap, float),
        first=np.where(right.any(1), right.argmax(1), -1),
        gt_indptr=2 * np.arange(count + 1),
        gt_images=np.ones(2 * count, int),
        gt_boxes=np.tile([200, 0, 230, 60], (2 * count, 1)),
        gt_ranks=np.full(2 * count, -1),
        top_images=images,
        top_boxes=boxes,
        top_sims=np.linspace(0.9, 0.8, count * k, dtype=np.float32).reshape(count, k),
        top_right=right,
    )


@pytest.fixture
def models():
    """On query 0 both are right, on query 1 the second alone, whose second box is wrong."""
    return {
        'first': ranking([[1, 1], [0, 0]], [1, 0.25], [[1, 2], [2, -1]]),
        'second': ranking([[1, 0], [1, 0]], [0.5, 0.75], [[3, 1], [1, 2]], 'cosine x score'),
    }


def texts(cell):
    return [text for text, _ in cell.lines]


def test_each_model_has_its_own_column(models):
    sheet = comparison_sheet(models, [1, 0])
    assert sheet.heads == {1: 'first', 2: 'second'}
    below, above = sheet.rows[1], sheet.rows[0]
    assert [cell.picture for cell in above] == ['a', 'c', 'b']
    assert [cell.picture for cell in below] == ['a', 'b', 'd']
    assert [cell.colour for cell in above] == [QUERY, WRONG, RIGHT]
    assert [cell.colour for cell in below] == [QUERY, RIGHT, RIGHT]
    assert [int(cell.box[0]) for cell in above] == [6, 2, 1]
    assert [texts(cell) for cell in above] == [
        ['query 1', '2 to find'],
        ['AP 25 %', '1: 0.83'],
        ['AP 75 %', '1: 0.83'],
    ]
    assert [cell.lines[1][1] for cell in above] == [FAINT, WRONG, RIGHT]
    # Yellow has much green and red and little blue; green and red are what they are called.
    for (blue, green, red), bright in ((QUERY, {1, 2}), (RIGHT, {1}), (WRONG, {2})):
        found = {i for i, level in enumerate((blue, green, red)) if level > 150}
        assert found == bright


def test_several_boxes_of_each_model(models):
    sheet = comparison_sheet(models, [1], topk=2, show=['names', 'scores'])
    assert sheet.heads == {1: 'first', 3: 'second'}
    (row,) = sheet.rows
    assert [cell.picture for cell in row] == ['a', 'c', '', 'b', 'c']
    assert [texts(cell) for cell in row] == [
        ['query 1', '2 to find', 'a'],
        ['AP 25 %', '1: 0.83', 'score 0.75', 'c'],
        ['nobody'],
        ['AP 75 %', '1: 0.83', 'score 0.75', 'b'],
        ['2: 0.80', 'score 0.75', 'c'],
    ]
    assert [cell.colour for cell in row[3:]] == [RIGHT, WRONG]


def test_title_and_legend(models):
    sheet = comparison_sheet(models, [0])
    assert sheet.title == 'rank 1 of each model, G50'
    assert sheet.legend == [
        ('query', QUERY),
        ('right person', RIGHT),
        ('wrong', WRONG),
        ('number: cosine or cosine x score', None),
    ]
    sheet = comparison_sheet(models, [0], topk=2, title='mine')
    assert sheet.title == 'mine' and len(sheet.legend) == 5
    assert comparison_sheet(models, [0], topk=2).title == 'ranks 1 - 2 of each model, G50'
    with pytest.raises(ValueError, match='--topk 3: must be 1 to 2'):
        comparison_sheet(models, [0], topk=3)


def test_queries_on_which_the_models_differ_most():
    """Variance of right at rank 1 first, then that of AP, then the number."""
    images = np.ones((5, 2), int)
    models = [
        ranking([[1, 0], [1, 0], [1, 1], [0, 0], [0, 1]], [0.5, 0.1, 1.0, 0.0, 0.5], images),
        ranking([[1, 0], [0, 0], [1, 1], [1, 0], [0, 1]], [0.5, 0.2, 0.2, 0.1, 0.5], images),
        ranking([[1, 0], [0, 1], [1, 0], [0, 0], [0, 0]], [0.5, 0.3, 0.5, 0.8, 0.5], images),
    ]
    # Rank 1: queries 1 and 3 are right with one of three; 3 has the wider AP. Of the others, on
    # which all agree, 2 has the wider AP, and 0 and 4 the same.
    assert most_different(models) == [3, 1, 2, 0, 4]
    # Two boxes: right are 1 1 1, 1 0 1, 2 2 1, 0 1 0, 1 1 0; all but the first are alike.
    assert most_different(models, topk=2) == [3, 2, 1, 4, 0]
    # More right boxes count: 2 against 0 is more than 1 against 0, whatever AP is.
    two = [ranking([[1, 0], [1, 1]], [1, 0], [[1, 1]] * 2)]
    two.append(ranking([[0, 0], [0, 0]], [0, 0], [[1, 1]] * 2))
    assert most_different(two, topk=1) == [0, 1]
    assert most_different(two, topk=2) == [1, 0]
    # Of the same AP in another order, equal but for rounding, the number decides.
    aps = np.array([[0.1, 0.2, 0.3], [0.3, 0.1, 0.2], [0.7, 0.8, 0.9]]).T
    equal = [ranking(np.zeros((3, 2)), ap, images[:3]) for ap in aps]
    assert most_different(equal) == [0, 1, 2]


def test_only_the_same_queries_are_compared(models):
    second = models['second']
    names = np.array(['d', 'c', 'b', 'a'])  # another order of the pictures is no difference
    check_same_queries(
        models | dict(second=replace(second, image_names=names, query_images=[3] * 2))
    )
    moved, renamed = second.query_boxes.copy(), second.query_pids.copy()
    moved[1, 2] += 1
    renamed[1] = 9
    for other, told in (
        (replace(second, protocol='G100'), 'searched is G50 in one and G100 in the other'),
        (ranking([[1, 1]], [1], [[1, 1]]), '2 and 1 queries of G50'),
        (replace(second, image_names=names), 'query 0 is another person or box'),
        (replace(second, query_boxes=moved), 'query 1 is another person or box'),
        (replace(second, query_pids=renamed), 'query 1 is another person or box'),
    ):
        with pytest.raises(ValueError, match=f'first and second cannot be compared: .*{told}'):
            comparison_sheet(models | dict(second=other), [0])
