import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ps.core.evaluation import SearchProtocol, evaluate_search
from mmdet_ps.core.evaluation.protocol import People

from .cases import NAMES, random_detections, random_protocol, three_images


def test_three_images_by_hand():
    protocol, bboxes, feats = three_images()
    numbers = evaluate_search(protocol, NAMES, bboxes, feats, return_details=True)
    details = numbers.pop('details')
    # Right ones at ranks 2 and 4 of 4: (1/2 + 2/4) / 2.
    assert numbers == {'mAP': pytest.approx(0.5), 'top1': 0.0, 'top5': 1.0, 'top10': 1.0}
    assert details.first.tolist() == [1]
    assert details.gt_ranks.tolist() == [1, 3]
    assert details.top_images[0, :4].tolist() == [1, 1, 2, 2]
    np.testing.assert_allclose(details.top_sims[0, :4], [1.0, 0.8, 0.6, 0.28], rtol=1e-6)
    assert details.top_right[0].tolist() == [False, True, False, True] + [False] * 6
    np.testing.assert_array_equal(details.top_boxes[0, 3], bboxes[2][1])
    assert details.top_images[0, 4:].tolist() == [-1] * 6
    assert all(type(value) is float for value in numbers.values())


def test_person_that_is_not_detected_costs_recall():
    protocol, bboxes, feats = three_images()
    bboxes[2], feats[2] = bboxes[2][:0], feats[2][:0]
    numbers = evaluate_search(protocol, NAMES, bboxes, feats)
    # One of two found, at rank 2 of 2.
    assert numbers['mAP'] == pytest.approx(1 / 2 * 1 / 2)


def test_threshold_is_inclusive_and_does_not_hold_for_the_query():
    protocol, bboxes, feats = three_images()
    lower = evaluate_search(protocol, NAMES, bboxes, feats, score_thr=0.19)['mAP']
    # The detection with similarity 1 in c.jpg now is the first that overlaps: ranks 1 or 2 (tied).
    assert lower == pytest.approx((1 / 2 + 2 / 3) / 2)
    higher = evaluate_search(protocol, NAMES, bboxes, feats, score_thr=0.21)['mAP']
    assert higher == pytest.approx(1 / 2 * 1 / 2)


def test_plus_one_decides_which_detection_is_nearest():
    protocol, bboxes, feats = three_images()
    protocol.query_boxes[0] = [0, 0, 10, 10]
    # Without +1 the first has IoU 0 and the second 0.01; with it 11 / 231 and 4 / 121.
    bboxes[0][:, :4] = [[10, 0, 20, 10], [9, 9, 10, 10]]
    numbers = evaluate_search(protocol, NAMES, bboxes, feats)
    first = evaluate_search(
        protocol, NAMES, bboxes, feats, query_feature='gt_box', query_feats=feats[0][[0]]
    )
    second = evaluate_search(
        protocol, NAMES, bboxes, feats, query_feature='gt_box', query_feats=feats[0][[1]]
    )
    assert numbers == first != second


def test_small_boxes_need_less_overlap():
    protocol, bboxes, feats = three_images()
    # 10 x 10: threshold 100 / 400; moved by 5 pixels the IoU is 50 / 150.
    protocol.gt_boxes[0] = [20, 20, 30, 30]
    bboxes[1][0, :4] = [25, 20, 35, 30]
    assert evaluate_search(protocol, NAMES, bboxes, feats)['mAP'] == pytest.approx(0.5)
    # Moved by 7 it is 30 / 170, below 1/4.
    bboxes[1][0, :4] = [27, 20, 37, 30]
    assert evaluate_search(protocol, NAMES, bboxes, feats)['mAP'] == pytest.approx(1 / 4 / 2)


def test_ten_pixels_are_added_to_the_sides_of_a_small_box():
    protocol, bboxes, feats = three_images()
    # 10 x 10: 100 / 400 is reached by an IoU of 42 / 158 = 0.266, 100 / 361 would not be.
    protocol.gt_boxes[0] = [20, 20, 30, 30]
    bboxes[1][0, :4] = [25.8, 20, 35.8, 30]
    assert evaluate_search(protocol, NAMES, bboxes, feats)['mAP'] == pytest.approx(0.5)


def test_the_overlap_that_a_match_needs_is_inclusive():
    protocol, bboxes, feats = three_images()
    # 40 x 100 in 40 x 200: exactly one half.
    bboxes[1][0, :4] = [20, 20, 60, 220]
    assert evaluate_search(protocol, NAMES, bboxes, feats)['mAP'] == pytest.approx(0.5)
    bboxes[1][0, :4] = [20, 20, 60, 221]
    assert evaluate_search(protocol, NAMES, bboxes, feats)['mAP'] == pytest.approx(1 / 4 / 2)


def test_identity_zero_is_an_identity():
    protocol, bboxes, feats = three_images()
    people = People(np.array([0, 1, 2]), np.zeros(3, int), np.tile(protocol.query_boxes, (3, 1)))
    people.boxes[1:] = protocol.gt_boxes
    zero = SearchProtocol.from_people(NAMES, [(0, 0, people.boxes[0])], people)
    assert evaluate_search(zero, NAMES, bboxes, feats) == evaluate_search(
        protocol, NAMES, bboxes, feats
    )


def test_equal_similarities_are_one_step():
    protocol, bboxes, feats = three_images()
    feats[1][:] = [[0.8, 0.6], [1.6, 1.2]]
    numbers = evaluate_search(protocol, NAMES, bboxes, feats, return_details=True)
    assert numbers['mAP'] == pytest.approx((1 / 2 + 2 / 4) / 2)
    # For the rank the detection that stands first in the image comes first.
    assert numbers['details'].first.tolist() == [0]
    assert numbers['top1'] == 1.0


def test_query_without_detection_counts_with_zero():
    protocol, bboxes, feats = three_images()
    bboxes[0], feats[0] = bboxes[0][:0], np.zeros((0, 2), np.float32)
    numbers = evaluate_search(protocol, NAMES, bboxes, feats, return_details=True)
    assert numbers['mAP'] == numbers['top10'] == 0.0
    assert numbers['details'].first.tolist() == [-1]


def test_no_detection_at_all():
    protocol, _, _ = three_images()
    empty = [np.zeros((0, 5), np.float32)] * 3
    numbers = evaluate_search(protocol, NAMES, empty, [np.zeros((0, 2), np.float32)] * 3)
    assert numbers == {'mAP': 0.0, 'top1': 0.0, 'top5': 0.0, 'top10': 0.0}


def test_class_weight_is_the_gallery_score():
    protocol, bboxes, feats = three_images()
    bboxes[1][:, 4] = [0.9, 0.5]
    # 0.9 * 0.8 = 0.72 (right), 0.5 (wrong), 0.9 * 0.6 = 0.54 (wrong), 0.2 * 0.28 (right).
    numbers = evaluate_search(protocol, NAMES, bboxes, feats, class_weighted=True)
    assert numbers['mAP'] == pytest.approx((1 / 1 + 2 / 4) / 2)


def listed(images, places, boxes):
    return SearchProtocol(
        'G3', NAMES, [0], [[10, 10, 50, 110]], [0], [0, len(places)], places, boxes,
        [0, len(images)], images,
    )  # fmt: skip


def test_repeated_image_counts_twice_or_only_its_ground_truth():
    _, bboxes, feats = three_images()
    box = [20, 20, 60, 120]
    protocol = listed([1, 2, 1], [0, 2], [box, box])
    # b twice: wrong 1.0 twice, right 0.8 twice (one step of two): 2 / 4 at each.
    twice = evaluate_search(protocol, NAMES, bboxes, feats)
    assert twice['mAP'] == pytest.approx(2 / 4)
    # Once: right at rank 2; one of two ground truths is lost.
    once = evaluate_search(protocol, NAMES, bboxes, feats, skip_repeated=True)
    assert once['mAP'] == pytest.approx(1 / 2 * 1 / 2)


def test_own_image_may_be_listed():
    _, bboxes, feats = three_images()
    bboxes[0][0, 4] = 0.9
    protocol = listed([0, 1], [0], [[10, 10, 50, 110]])
    assert evaluate_search(protocol, NAMES, bboxes, feats)['top1'] == 1.0


def test_context_matching_by_hand():
    protocol, bboxes, feats = three_images()
    bboxes[0][:, 4] = [0.9, 0.8]
    # Scene b: query (1, 0) and neighbour (0, 1) against right (.8, .6) and wrong (1, 0).
    # query-wrong + neighbour-right = 1 + .6 beats query-right + neighbour-wrong = .8 + 0.
    # Scene c: query-first + neighbour-second = .6 + .96 beats .28 + .8; the first is wrong.
    numbers = evaluate_search(
        protocol, NAMES, bboxes, feats, cbgm=dict(k1=2, k2=2), return_details=True
    )
    np.testing.assert_allclose(
        numbers['details'].top_sims[0, :4], [1.6, 1.56, 0.8, 0.28], rtol=1e-6
    )
    assert numbers['mAP'] == pytest.approx((1 / 3 + 2 / 4) / 2)
    only_one = evaluate_search(
        protocol, NAMES, bboxes, feats, cbgm=dict(k1=1, k2=2), return_details=True
    )
    np.testing.assert_allclose(
        only_one['details'].top_sims[0, :4], [1.6, 0.8, 0.6, 0.28], rtol=1e-6
    )


def test_the_scene_of_a_query_is_without_its_own_detection_wherever_that_stands():
    protocol, bboxes, feats = three_images()
    # A detection that is not kept stands first, the query's own second, the neighbour last.
    bboxes[0] = np.array(
        [[300, 10, 340, 110, 0.1], [10, 10, 50, 110, 0.8], [200, 10, 240, 110, 0.9]], np.float32
    )
    feats[0] = np.array([[-1, -1], [2, 0], [0, 3]], np.float32)
    found = evaluate_search(
        protocol, NAMES, bboxes, feats, cbgm=dict(k1=2, k2=2), return_details=True
    )
    sims = found['details'].top_sims[0, :4]
    np.testing.assert_allclose(sims, [1.6, 1.56, 0.8, 0.28], rtol=1e-6)


@pytest.mark.parametrize(
    ('shift', 'best'),
    # IoU (+1) with the query box (101 - shift) / (101 + shift): .60, .507, .496 and .34.
    [(25, 1.6), (33, 1.6), (34, 1 + 2.6 / 10**0.5), (50, 1 + 2.6 / 10**0.5)],
)
def test_a_detection_that_overlaps_the_query_box_by_half_is_the_query_itself(shift, best):
    protocol, bboxes, feats = three_images()
    bboxes[0][0, :4] += [0, shift, 0, shift]
    bboxes[0][:, 4] = [0.9, 0.8]
    feats[0][0] = [1, 3]
    found = evaluate_search(
        protocol, NAMES, bboxes, feats, query_feature='gt_box', query_feats=np.array([[1, 0]]),
        cbgm=dict(k1=1, k2=2), return_details=True,
    )  # fmt: skip
    # The neighbour is (0, 3), or the query's own detection where that overlaps less than half.
    assert found['details'].top_sims[0, 0] == pytest.approx(best, rel=1e-6)


def test_a_detection_that_is_exactly_half_of_the_query_box_is_the_query_itself():
    protocol, bboxes, feats = three_images()
    # 41 x 51 of 41 x 102 whole pixels.
    protocol.query_boxes[0] = [10, 10, 50, 111]
    bboxes[0][0] = [10, 10, 50, 60, 0.9]
    feats[0][0] = [1, 3]
    found = evaluate_search(
        protocol, NAMES, bboxes, feats, query_feature='gt_box', query_feats=np.array([[1, 0]]),
        cbgm=dict(k1=1, k2=2), return_details=True,
    )  # fmt: skip
    # As above: the neighbour is (0, 3).
    assert found['details'].top_sims[0, 0] == pytest.approx(1.6, rel=1e-6)


def test_the_most_confident_neighbours_are_matched():
    protocol, bboxes, feats = three_images()
    bboxes[0] = np.array(
        [[10, 10, 50, 110, 0.9], [200, 10, 240, 110, 0.3], [300, 10, 340, 110, 0.4]], np.float32
    )
    feats[0] = np.array([[2, 0], [-1, -1], [0, 3]], np.float32)
    found = evaluate_search(
        protocol, NAMES, bboxes, feats, cbgm=dict(k1=1, k2=2), return_details=True
    )
    assert found['details'].top_sims[0, 0] == pytest.approx(1.6, rel=1e-6)


def test_a_repeated_scene_is_matched_once_and_everywhere():
    _, bboxes, feats = three_images()
    bboxes[0][:, 4] = [0.9, 0.8]
    box = [20, 20, 60, 120]
    protocol = listed([1, 2, 1], [0, 2], [box, box])
    found = evaluate_search(
        protocol, NAMES, bboxes, feats, cbgm=dict(k1=2, k2=2), return_details=True
    )
    sims = found['details'].top_sims[0, :6]
    np.testing.assert_allclose(sims, [1.6, 1.6, 1.56, 0.8, 0.8, 0.28], rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(['listed', 'all', 'same']))
def test_details_agree_with_a_full_sort(seed, kind):
    rng = np.random.default_rng(seed)
    protocol = random_protocol(rng, kind, 8, 4, 8)
    bboxes, feats = random_detections(rng, 8, 5, tied=0.0)
    details = evaluate_search(protocol, protocol.image_names, bboxes, feats, return_details=True)[
        'details'
    ]
    for q in range(4):
        if len(bboxes[protocol.query_images[q]]) == 0:
            continue
        entries = [
            (i, j) for i in protocol.gallery(q) for j in range(len(bboxes[i]))
            if bboxes[i][j, 4] >= 0.2
        ]  # fmt: skip
        found = details.top_images[q] >= 0
        assert found.sum() == min(len(entries), 10)
        ranks = details.gt_ranks[protocol.gt_indptr[q] : protocol.gt_indptr[q + 1]]
        assert (ranks < len(entries)).all() and len(set(ranks[ranks >= 0])) == (ranks >= 0).sum()
        assert details.first[q] == min(ranks[ranks >= 0], default=-1)
        assert details.top_right[q].sum() == ((ranks >= 0) & (ranks < 10)).sum()
        assert set(np.flatnonzero(details.top_right[q])) == set(ranks[(ranks >= 0) & (ranks < 10)])
        sims = details.top_sims[q][found]
        assert (np.diff(sims) <= 0).all()
        for image, box in zip(
            details.top_images[q][found], details.top_boxes[q][found], strict=True
        ):
            assert (bboxes[image] == box).all(axis=1).any()


def wrong(change):
    protocol, bboxes, feats = three_images()
    names, options = list(NAMES), {}
    change(names, bboxes, feats, options)
    with pytest.raises((ValueError, KeyError)) as caught:
        evaluate_search(protocol, names, bboxes, feats, **options)
    message = str(caught.value.args[0])
    assert '\n' not in message
    return message


def test_other_length_is_told():
    assert 'another dataset' in wrong(lambda names, b, f, o: names.append('d.jpg'))


def test_missing_query_image_is_told():
    def change(names, bboxes, feats, options):
        del names[0], bboxes[0], feats[0]

    message = wrong(change)
    assert 'query 0' in message and 'a.jpg' in message


def test_missing_gallery_image_is_told():
    def change(names, bboxes, feats, options):
        del names[1], bboxes[1], feats[1]

    message = wrong(change)
    assert 'gallery' in message and 'b.jpg' in message


def test_name_twice_is_told():
    def change(names, bboxes, feats, options):
        names[2] = 'b.jpg'

    assert 'b.jpg occurs twice' in wrong(change)


def test_feature_sizes_that_differ_are_told():
    def change(names, bboxes, feats, options):
        feats[2] = np.ones((3, 5), np.float32)

    message = wrong(change)
    assert 'c.jpg' in message and '5' in message and '2' in message


@pytest.mark.parametrize('value', [np.nan, np.inf])
@pytest.mark.parametrize('row', [0, 2])
def test_not_finite_features_are_told(value, row):
    def change(names, bboxes, feats, options):
        feats[2][row, 0] = value

    message = wrong(change)
    assert 'c.jpg' in message and 'features' in message


def test_not_finite_boxes_are_told():
    def change(names, bboxes, feats, options):
        bboxes[1][0, 4] = np.nan

    message = wrong(change)
    assert 'b.jpg' in message and 'boxes' in message


def test_rows_that_differ_are_told():
    def change(names, bboxes, feats, options):
        feats[1] = feats[1][:1]

    message = wrong(change)
    assert 'b.jpg' in message and '2 boxes' in message and 'features of shape (1, 2)' in message


def test_wrong_shapes_are_told():
    def change(names, bboxes, feats, options):
        bboxes[1] = bboxes[1][:, :4]

    assert '(n, 5)' in wrong(change)


@pytest.mark.parametrize(
    'rows',
    [
        np.full((2, 2), 'x'),
        np.ones((2, 2), bool),
        np.ones((2, 2), complex),
        np.ones((2, 0), np.float32),
        np.ones(2),
        np.ones((2, 2, 1)),
        None,
        np.full((2, 2), 1e200),
    ],
)
def test_features_that_are_no_numbers_are_told(rows):
    def change(names, bboxes, feats, options):
        feats[1] = rows

    message = wrong(change)
    assert 'b.jpg' in message and 'features' in message


@pytest.mark.parametrize('boxes', [np.full((2, 5), 'x'), np.ones((2, 5), bool), np.ones(5), None])
def test_boxes_that_are_no_numbers_are_told(boxes):
    def change(names, bboxes, feats, options):
        bboxes[1] = boxes

    message = wrong(change)
    assert 'b.jpg' in message and '(n, 5)' in message


def test_lists_do_as_well_as_arrays():
    protocol, bboxes, feats = three_images()
    lists = [array.tolist() for array in bboxes], [array.tolist() for array in feats]
    assert evaluate_search(protocol, NAMES, *lists, score_thr=0.1) == evaluate_search(
        protocol, NAMES, bboxes, feats, score_thr=0.1
    )


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        (dict(query_feature='best'), 'nearest, gt_box'),
        (dict(query_feature='gt_box'), 'query_feats'),
        (dict(query_feats=np.ones((1, 2))), 'query_feats'),
        (dict(query_feature='gt_box', query_feats=np.ones((1, 3))), '(1, 2)'),
        (dict(query_feature='gt_box', query_feats=np.full((1, 2), np.nan)), 'a.jpg'),
        (dict(query_feature='gt_box', query_feats=np.ones(2)), '(1, 2)'),
        (dict(cbgm=dict(k1=3)), 'k2'),
        (dict(cbgm=dict(k1=0, k2=2)), 'at least 1'),
    ],
)
def test_wrong_options_are_told(options, told):
    assert told in wrong(lambda n, b, f, o: o.update(options))


def test_a_feature_of_zeros_is_like_nobody():
    """Similarity 0, in the gallery and of a query, and no number that is none."""
    protocol, bboxes, feats = three_images()
    plain = evaluate_search(protocol, NAMES, bboxes, feats, return_details=True)['details']
    empty = [rows * 0 for rows in feats]
    with np.errstate(all='raise'):
        numbers = evaluate_search(protocol, NAMES, bboxes, empty, return_details=True)
    found = numbers['details']
    assert np.isfinite(numbers['mAP'])
    assert (found.top_sims == 0).all() and (plain.top_sims != 0).any()
    assert (found.top_images >= 0).sum() == (plain.top_images >= 0).sum()
