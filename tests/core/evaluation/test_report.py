import csv
import json

import numpy as np
import pytest

from mmdet_ps.core.evaluation import (
    SearchOptions,
    evaluate_detection,
    evaluate_results,
    evaluate_search,
    format_table,
    load_rankings,
    summarize,
    write_csv,
    write_json,
)

from .cases import NAMES, random_detections, random_protocol, three_images


def results_of(bboxes, feats, **more):
    return [
        {
            'bboxes': boxes,
            'feats': {'alignps': rows, **{key: value[i] for key, value in more.items()}},
        }
        for i, (boxes, rows) in enumerate(zip(bboxes, feats, strict=True))
    ]


@pytest.fixture
def case():
    protocol, bboxes, feats = three_images()
    return protocol, bboxes, feats, results_of(bboxes, feats)


@pytest.fixture
def gts():
    return [
        {'bboxes': np.array([[10, 10, 50, 110]]), 'gt_pids': np.array([7])},
        {'bboxes': np.array([[20, 20, 60, 120]]), 'gt_pids': np.array([7])},
        {'bboxes': np.array([[0, 0, 40, 100]]), 'gt_pids': np.array([-1])},
    ]


def test_single_feature(case, gts):
    protocol, bboxes, feats, results = case
    report = evaluate_results(results, NAMES, protocol, gts)
    [row] = report['search']
    assert (row['feature'], row['protocol'], row['num_queries']) == ('alignps', 'all', 1)
    numbers = evaluate_search(protocol, NAMES, bboxes, feats)
    assert {key: row[key] for key in numbers} == numbers
    assert report['detection'] == evaluate_detection(
        [gt['bboxes'] for gt in gts], [gt['gt_pids'] for gt in gts], bboxes
    )
    assert report == json.loads(json.dumps(report))
    summary = summarize(report)
    assert summary['mAP'] == row['mAP'] and summary['det_AP'] == report['detection']['AP']
    assert set(summary) == {
        'mAP', 'top1', 'top5', 'top10', 'det_recall', 'det_AP', 'det_recall_labelled',
        'det_AP_labelled',
    }  # fmt: skip
    assert all(type(value) is float for value in summary.values())


def test_options_reach_the_search(case):
    protocol, bboxes, feats, results = case
    options = dict(score_thr=0.19, class_weighted=True, skip_repeated=True, cbgm=dict(k1=1, k2=2))
    report = evaluate_results(results, NAMES, [protocol], options=SearchOptions(**options))
    numbers = evaluate_search(protocol, NAMES, bboxes, feats, **options)
    assert {key: report['search'][0][key] for key in numbers} == numbers
    assert report['settings'] == dict(options, query_feature='nearest')
    assert report['detection'] is None


def test_several_features_and_protocols():
    rng = np.random.default_rng(0)
    protocols = [random_protocol(rng, kind, 6, 4, 6) for kind in ('listed', 'all')]
    protocols[1].image_names = protocols[0].image_names
    bboxes, feats = random_detections(rng, 6, 4, tied=None)
    second = [rng.normal(size=(len(rows), 3)) * 100 for rows in feats]
    results = results_of(bboxes, feats, roi_align=second)
    report = evaluate_results(results, protocols[0].image_names, protocols)
    assert [(row['protocol'], row['feature']) for row in report['search']] == [
        (protocol, feature)
        for protocol in ('random', 'all')
        for feature in ('alignps', 'roi_align', 'concatenation')
    ]

    def direction(rows):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    both = [np.hstack([direction(a), direction(b)]) for a, b in zip(feats, second, strict=True)]
    for i, rows in enumerate((feats, second, both)):
        numbers = evaluate_search(protocols[0], protocols[0].image_names, bboxes, rows)
        row = report['search'][i]
        assert {key: row[key] for key in numbers} == pytest.approx(numbers, abs=1e-9)
    summary = summarize(report)
    assert summary['mAP'] == report['search'][2]['mAP']
    assert summary['all/roi_align/top1'] == report['search'][4]['top1']


def test_query_box_features(case):
    protocol, bboxes, feats, results = case
    results[0]['query_boxes'] = np.array([[0, 0, 9, 9], [10.4, 10, 50, 110.9]], np.float32)
    results[0]['query_feats'] = {'alignps': np.array([[9, 1], [0.3, 1]], np.float32)}
    report = evaluate_results(
        results, NAMES, protocol, options=SearchOptions(query_feature='gt_box')
    )
    numbers = evaluate_search(
        protocol, NAMES, bboxes, feats, query_feature='gt_box', query_feats=np.array([[0.3, 1]])
    )
    assert {key: report['search'][0][key] for key in numbers} == numbers
    assert numbers != evaluate_search(protocol, NAMES, bboxes, feats)
    results[0]['query_boxes'] += 5
    with pytest.raises(KeyError, match=r'query 0 .*a.jpg.*--query-feature gt_box'):
        evaluate_results(results, NAMES, protocol, options=SearchOptions(query_feature='gt_box'))


def test_the_nearest_of_the_query_boxes_is_taken(case):
    protocol, bboxes, feats, results = case
    boxes = np.array([[10.9, 10.9, 50.9, 110.9], [10.1, 10, 50, 110], [10, 10, 50, 110.9]])
    results[0]['query_boxes'] = boxes.astype(np.float32)
    results[0]['query_feats'] = {'alignps': np.array([[9, 1], [0.3, 1], [9, 1]], np.float32)}
    options = SearchOptions(query_feature='gt_box')
    report = evaluate_results(results, NAMES, protocol, options=options)
    numbers = evaluate_search(
        protocol, NAMES, bboxes, feats, query_feature='gt_box', query_feats=np.array([[0.3, 1]])
    )
    assert {key: report['search'][0][key] for key in numbers} == numbers
    # A score beside the box changes nothing.
    results[0]['query_boxes'] = np.concatenate([boxes, np.ones((3, 1))], axis=1)
    assert evaluate_results(results, NAMES, protocol, options=options) == report


@pytest.mark.parametrize(
    ('wrong', 'told'),
    [
        (dict(query_feats={}), r'a.jpg, query_boxes: 1 boxes but features of shape \(0, 0\)'),
        (dict(query_feats={'alignps': np.ones((2, 2))}), 'a.jpg, query_boxes: 1 boxes but'),
        (dict(query_feats={'alignps': np.full((1, 2), np.nan)}), 'a.jpg, query_boxes: NaN'),
        (dict(query_boxes=np.full((1, 4), np.nan)), 'a.jpg, query_boxes: NaN'),
        (dict(query_boxes=np.ones((1, 3))), r'a.jpg, query_boxes: boxes \(n, 4\)'),
        (dict(query_feats={'alignps': np.ones((1, 3))}), r'query_feats must be \(1, 2\)'),
    ],
)
def test_query_features_that_do_not_fit_are_told(case, wrong, told):
    protocol, _, _, results = case
    results[0]['query_boxes'] = np.array([[10, 10, 50, 110]])
    results[0]['query_feats'] = {'alignps': np.ones((1, 2))}
    results[0].update(wrong)
    with pytest.raises(ValueError, match=told):
        evaluate_results(results, NAMES, protocol, options=SearchOptions(query_feature='gt_box'))


def test_query_features_are_joined_like_those_of_people(case):
    protocol, bboxes, feats, _ = case
    second = [rows[:, ::-1] * 5 for rows in feats]
    results = results_of(bboxes, feats, other=second)
    results[0]['query_boxes'] = np.array([[10, 10, 50, 110]])
    results[0]['query_feats'] = {'alignps': np.array([[3, 4]]), 'other': np.array([[0, 20]])}
    options = SearchOptions(query_feature='gt_box')
    report = evaluate_results(results, NAMES, protocol, options=options)

    def direction(rows):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    both = [np.hstack([direction(a), direction(b)]) for a, b in zip(feats, second, strict=True)]
    numbers = evaluate_search(
        protocol, NAMES, bboxes, both, query_feature='gt_box',
        query_feats=np.array([[0.6, 0.8, 0, 1]]),
    )  # fmt: skip
    assert {key: report['search'][2][key] for key in numbers} == pytest.approx(numbers, abs=1e-9)


def test_the_image_of_a_query_must_be_among_the_results(case):
    protocol, _, _, results = case
    names = ['x.jpg', 'b.jpg', 'c.jpg']
    for feature in ('nearest', 'gt_box'):
        with pytest.raises(KeyError, match='query 0 .*a.jpg'):
            options = SearchOptions(query_feature=feature)
            evaluate_results(results, names, protocol, options=options)


def test_detection_names_the_image(case, gts):
    protocol, _, _, results = case
    gts[1]['bboxes'] = gts[1]['bboxes'][:, :3]
    with pytest.raises(ValueError, match=r'b.jpg, ground truth: boxes \(n, 4\)'):
        evaluate_results(results, NAMES, protocol, gts)
    results[2]['bboxes'] = results[2]['bboxes'][:, :4]
    with pytest.raises(ValueError, match=r'c.jpg: boxes \(n, 5\)'):
        evaluate_results(results, NAMES, [], gts)


def test_table(case, gts):
    protocol, _, _, results = case
    results[0] = {'bboxes': np.zeros((0, 5)), 'feats': {'alignps': np.zeros((0, 2))}}
    lines = format_table(evaluate_results(results, NAMES, protocol, gts)).splitlines()
    assert lines[0].split() == ['protocol', 'feature', 'mAP', 'top1', 'top5', 'top10']
    assert lines[1].split() == ['all', 'alignps', '0.00', '0.00', '0.00', '0.00']
    assert 'all: 1 of 1 queries have no detection' in lines[2]
    assert lines[3].startswith('detection, all people:') and 'recall 66.67' in lines[3]
    assert len({len(line) for line in lines[:2]}) == 1
    assert format_table(evaluate_results(results, NAMES, [], gts)).startswith('detection')


def test_files(case, gts, tmp_path):
    protocol, _, _, results = case
    report = evaluate_results(results, NAMES, protocol, gts)
    write_json(report, tmp_path / 'new' / 'r.json')
    assert json.loads((tmp_path / 'new' / 'r.json').read_text()) == report
    write_csv(report, tmp_path / 'r.csv')
    with (tmp_path / 'r.csv').open() as stream:
        [row] = csv.DictReader(stream)
    assert float(row['mAP']) == report['search'][0]['mAP']
    assert float(row['det_AP']) == report['detection']['AP']
    assert (row['protocol'], row['feature']) == ('all', 'alignps')


@pytest.fixture
def two_rows():
    """A report in which every number differs from every other."""
    row = dict(
        protocol='G50', feature='nae', mAP=0.91, top1=0.82, top5=0.93, top10=0.94, num_queries=7,
        queries_without_detection=2, queries_without_ground_truth=1,
    )  # fmt: skip
    other = dict(
        protocol='G4000', feature='alignps', mAP=0.11, top1=0.12, top5=0.13, top10=0.14,
        num_queries=9, queries_without_detection=0, queries_without_ground_truth=3,
    )  # fmt: skip
    detection = dict(recall=0.71, AP=0.62, recall_labelled=0.53, AP_labelled=0.44)
    return dict(search=[row, other], detection=detection)


def test_a_table_shows_every_number_in_its_place(two_rows):
    two_rows['search'].insert(1, dict(two_rows['search'][0], feature='both'))
    assert format_table(two_rows).splitlines() == [
        'protocol  feature    mAP   top1   top5  top10',
        'G50       nae      91.00  82.00  93.00  94.00',
        'G50       both     91.00  82.00  93.00  94.00',
        'G4000     alignps  11.00  12.00  13.00  14.00',
        'G50: 2 of 7 queries have no detection to search with (AP 0)',
        'G50: 1 of 7 queries have nobody to find in their gallery (AP 0)',
        'G4000: 3 of 9 queries have nobody to find in their gallery (AP 0)',
        'detection, all people:      recall 71.00  AP 62.00',
        'detection, labelled people: recall 53.00  AP 44.00',
    ]


def test_a_csv_has_every_row_and_number(two_rows, tmp_path):
    write_csv(two_rows, tmp_path / 'r.csv')
    with (tmp_path / 'r.csv').open() as stream:
        rows = list(csv.DictReader(stream))
    detection = {f'det_{key}': value for key, value in two_rows['detection'].items()}
    expected = [{**row, **detection} for row in two_rows['search']]
    assert rows == [{key: str(value) for key, value in row.items()} for row in expected]
    write_csv(dict(two_rows, search=[]), tmp_path / 'r.csv')
    with (tmp_path / 'r.csv').open() as stream:
        [row] = csv.DictReader(stream)
    assert row['det_AP_labelled'] == '0.44' and row['mAP'] == ''


def test_the_numbers_for_logs(two_rows):
    two_rows['search'].insert(1, dict(two_rows['search'][0], feature='both', mAP=0.5, top1=0.6))
    assert summarize(two_rows) == {
        'mAP': 0.5, 'top1': 0.6, 'top5': 0.93, 'top10': 0.94,
        'G50/nae/mAP': 0.91, 'G50/nae/top1': 0.82, 'G50/both/mAP': 0.5, 'G50/both/top1': 0.6,
        'G4000/alignps/mAP': 0.11, 'G4000/alignps/top1': 0.12,
        'det_recall': 0.71, 'det_AP': 0.62, 'det_recall_labelled': 0.53, 'det_AP_labelled': 0.44,
    }  # fmt: skip


def test_queries_that_cannot_be_answered_are_counted():
    rng = np.random.default_rng(4)
    protocol = random_protocol(rng, 'listed', 6, 9, 3)
    bboxes, feats = random_detections(rng, 6, 2, tied=None)
    without = sum(len(bboxes[image]) == 0 for image in protocol.query_images)
    nobody = sum(len(protocol.ground_truth(query)[0]) == 0 for query in range(9))
    assert without != nobody and without and nobody
    [row] = evaluate_results(results_of(bboxes, feats), protocol.image_names, protocol)['search']
    assert row['num_queries'] == 9
    assert row['queries_without_detection'] == without
    assert row['queries_without_ground_truth'] == nobody


def test_ranking_file(case, tmp_path):
    protocol, bboxes, feats, results = case
    path = tmp_path / 'ranking.npz'
    evaluate_results(results, NAMES, protocol, ranking_file=path)
    [ranking] = load_rankings(path)
    assert (ranking.feature, ranking.protocol) == ('alignps', 'all')
    assert ranking.image_names.tolist() == NAMES
    assert ranking.query_images.tolist() == [0]
    assert ranking.query_boxes.tolist() == [[10, 10, 50, 110]]
    assert ranking.ap.tolist() == [pytest.approx(0.5)] and ranking.first.tolist() == [1]
    assert ranking.gt_images.tolist() == [1, 2] and ranking.gt_ranks.tolist() == [1, 3]
    assert ranking.top_images[0, :5].tolist() == [1, 1, 2, 2, -1]
    np.testing.assert_array_equal(ranking.top_boxes[0, 1], bboxes[1][0])
    assert ranking.top_right[0, :4].tolist() == [False, True, False, True]
    (tmp_path / 'x.npz').write_bytes(b'no')
    with pytest.raises(ValueError, match='--save-ranking'):
        load_rankings(tmp_path / 'x.npz')
    with pytest.raises(FileNotFoundError):
        load_rankings(tmp_path / 'none.npz')


@pytest.mark.parametrize(
    ('options', 'similarity'),
    [
        (dict(), 'cosine'),
        (dict(class_weighted=True), 'cosine x score'),
        (dict(cbgm=dict(k1=2, k2=2)), 'matched sum'),
        (dict(cbgm=dict(k1=2, k2=2), class_weighted=True), 'matched sum'),
    ],
)
def test_a_ranking_says_what_its_similarities_are(case, tmp_path, options, similarity):
    protocol, _, _, results = case
    path = tmp_path / 'ranking.npz'
    evaluate_results(results, NAMES, protocol, options=SearchOptions(**options), ranking_file=path)
    [ranking] = load_rankings(path)
    assert ranking.similarity == similarity


def test_other_results_are_told(case):
    protocol, _, _, results = case
    with pytest.raises(ValueError, match='2 results for 3 images.*another dataset'):
        evaluate_results(results[:2], NAMES, protocol)
    with pytest.raises(ValueError, match='no results'):
        evaluate_results([], [], protocol)
    named = [dict(result, img_name=name) for result, name in zip(results, NAMES, strict=True)]
    assert evaluate_results(named, NAMES, protocol) == evaluate_results(results, NAMES, protocol)
    with pytest.raises(ValueError, match='result 0 is of b.jpg, but image 0 of the dataset is a.j'):
        evaluate_results([named[1], named[0], named[2]], NAMES, protocol)
    with pytest.raises(ValueError, match='b.jpg.*not a person search result'):
        evaluate_results([results[0], {'bboxes': None}, results[2]], NAMES, protocol)
    with pytest.raises(ValueError, match='not a person search result'):
        evaluate_results([[np.zeros((0, 5))], *results[1:]], NAMES, protocol)
    other = dict(results[1], feats={'roi': results[1]['feats']['alignps']})
    with pytest.raises(ValueError, match=r"b.jpg has the features \['roi'\]"):
        evaluate_results([results[0], other, results[2]], NAMES, protocol)


def test_features_of_an_image_that_differ_are_told(case):
    protocol, bboxes, feats, _ = case
    results = results_of(bboxes, feats, roi_align=[rows[:1] for rows in feats])
    with pytest.raises(ValueError, match='a.jpg'):
        evaluate_results(results, NAMES, protocol)


def test_a_query_box_that_is_a_pixel_away_in_one_side_is_another(case):
    protocol, _, _, results = case
    results[0]['query_boxes'] = np.array([[11.0, 10, 50, 110]])
    results[0]['query_feats'] = {'alignps': np.ones((1, 2))}
    with pytest.raises(KeyError, match='query 0 .*--query-feature gt_box'):
        evaluate_results(results, NAMES, protocol, options=SearchOptions(query_feature='gt_box'))


def test_no_features_and_another_order_of_features_are_told(case):
    protocol, bboxes, feats, _ = case
    none = [{'bboxes': boxes, 'feats': {}} for boxes in bboxes]
    with pytest.raises(ValueError, match='a.jpg has the features'):
        evaluate_results(none, NAMES, protocol)
    results = results_of(bboxes, feats, other=feats)
    results[1]['feats'] = dict(reversed(results[1]['feats'].items()))
    with pytest.raises(ValueError, match='b.jpg has the features'):
        evaluate_results(results, NAMES, protocol)
