import json
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.parallel import MMDataParallel
from mmdet.datasets import build_dataloader, build_dataset

from mmdet_ps.core.testing import collect_results
from mmdet_ps.datasets.pipelines import use_given_boxes
from mmdet_ps.utils.pictures import PictureError

from .scenes import PEOPLE, PIPELINE, content, write_scenes

FORMAT = [
    dict(type='DefaultFormatBundle'),
    dict(type='ToTensor', keys=['gt_pids']),
    dict(type='ToDataContainer', fields=[dict(key='gt_pids')]),
    dict(type='Collect', keys=['img', 'gt_bboxes', 'gt_labels', 'gt_pids'], meta_keys=['filename']),
]
TEST_PIPELINE = [
    dict(type='LoadSceneImage'),
    dict(
        type='MultiScaleFlipAug',
        img_scale=(320, 180),
        flip=False,
        transforms=[
            dict(type='Resize', keep_ratio=True),
            dict(type='RandomFlip'),
            dict(type='Pad', size_divisor=32),
            dict(type='DefaultFormatBundle'),
            dict(type='Collect', keys=['img']),
        ],
    ),
]
QUERIES = [
    dict(file_name='0.jpg', bbox=[10, 10, 20, 40], person_id=4),
    dict(file_name='1.jpg', bbox=[12, 10, 20, 40], person_id=4),
]


def build(root, data=None, pictures=True, **changes):
    cfg = write_scenes(root, data, pictures=pictures)
    return build_dataset({**cfg, 'pipeline': PIPELINE, **changes})


def build_test(root, pipeline=TEST_PIPELINE, **changes):
    (root / 'queries.json').write_text(json.dumps(QUERIES))
    test = dict(test_mode=True, query_file='queries.json', pipeline=pipeline)
    return build(root, **{**test, **changes})


def test_annotations_carry_identities(tmp_path):
    dataset = build(tmp_path)
    ann = dataset.get_ann_info(0)
    assert ann['bboxes'].tolist() == [[10, 10, 30, 50], [50, 10, 70, 50]]
    assert ann['labels'].tolist() == [0, 0]
    # Of the people 4 and 0 of the file.
    assert ann['pids'].tolist() == [1, -1] and ann['pids'].dtype == np.int64
    assert dataset.person_ids.tolist() == [0, 4] and dataset.num_pids == 2
    assert 'masks' not in ann
    assert dataset.CLASSES == ('person',)


def test_identities_are_numbered_through_and_keep_their_names(tmp_path):
    pids = [10**9, 3, -7, 2**53, 3]
    data = content([(i, (10, 10, 20, 40), pid) for i, pid in enumerate(pids)], num_images=5)
    dataset = build(tmp_path, data)
    assert dataset.num_pids == 3 and dataset.person_ids.tolist() == [3, 10**9, 2**53]
    rows = [int(dataset[i]['gt_pids'][0]) for i in range(5)]
    assert rows == [1, 0, -1, 2, 0]
    # Numbered as in the file where that is 0, 1, ...: so are converted releases.
    plain = content([(i, (10, 10, 20, 40), 2 - i) for i in range(3)])
    assert [int(sample['gt_pids'][0]) for sample in build(tmp_path, plain)] == [2, 1, 0]


def test_nobody_has_an_identity(tmp_path):
    dataset = build(tmp_path, content([(0, (10, 10, 20, 40), -5)]))
    assert dataset.num_pids == 0 and dataset[0]['gt_pids'].tolist() == [-1]


# Each of these left people out of training and detection, or of search, and not of the other.
REASONS = {
    'of another category': dict(category_id=7),
    'marked ignore': dict(ignore=True),
    'marked iscrowd': dict(iscrowd=1),
    'less than a pixel wide or high': dict(bbox=[30, 10, 0.5, 40]),
}


@pytest.mark.parametrize('reason', REASONS)
def test_training_detection_and_search_take_the_same_people(tmp_path, reason):
    """Person 4 in three pictures; the one in picture 2 does not count."""
    data = content([(i, (10, 10, 20, 40), 4) for i in range(3)])
    data['categories'].append(dict(id=7, name='dog'))
    data['annotations'][2].update(REASONS[reason])
    with pytest.warns(
        UserWarning, match=f'train.json: 1 of 3 annotations are left out: 1 {reason}'
    ):
        train = build(tmp_path, data)
    assert [info['filename'] for info in train.data_infos] == ['0.jpg', '1.jpg']
    with pytest.warns(UserWarning, match='1 of 3 annotations'):
        test = build_test(tmp_path, data=data)
    assert [len(test.get_ann_info(i)['bboxes']) for i in range(3)] == [1, 1, 0]
    assert test.protocols[0].ground_truth(0)[0].tolist() == [1]
    assert test.evaluate(RESULTS, metric='detection')['det_recall'] == 1


@pytest.mark.parametrize('area', [0, -1, 'large', None])
def test_area_in_the_file_leaves_nobody_out(tmp_path, area):
    data = content(PEOPLE)
    for person in data['annotations']:
        person['area'] = area
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        dataset = build(tmp_path, data)
    assert sum(len(sample['gt_pids']) for sample in dataset) == 5


@pytest.mark.parametrize('filter_empty_gt', [True, False])
def test_a_training_set_that_loses_everyone_is_an_error(tmp_path, filter_empty_gt):
    data = content(PEOPLE)
    for person in data['annotations']:
        person['iscrowd'] = 1
    with pytest.raises(
        ValueError,
        match='train.json: 5 of 5 annotations are left out: 5 marked iscrowd; nobody is left to',
    ):
        build(tmp_path, data, filter_empty_gt=filter_empty_gt)
    with pytest.warns(UserWarning, match='5 of 5'):
        assert len(build_test(tmp_path, data=data)) == 3


edge = st.floats(-60, 200, width=32) | st.integers(-60, 200)
length = st.floats(0, 3, width=32) | st.integers(-2, 200)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(edge, edge, length, length), max_size=5))
def test_the_base_class_leaves_nobody_out_who_counts(tmp_path_factory, boxes):
    data = content([(0, box, 10 * i) for i, box in enumerate(boxes)], num_images=1)
    root = tmp_path_factory.mktemp('scenes')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            dataset = build(root, data, pictures=False, test_mode=True, check_pictures=False)
    except ValueError as error:
        assert 'wholly outside' in str(error)
        return
    ann = dataset.get_ann_info(0)
    assert len(ann['bboxes']) == len(ann['pids']) == len(dataset._annotations.people)
    assert ann['pids'].tolist() == list(range(len(ann['pids'])))


def test_the_file_is_read_once_and_extra_keys_pass(tmp_path, capsys):
    data = content(PEOPLE)
    data['annotations'][0].update(segmentation=[[1, 2]], keypoints=None)
    dataset = build(tmp_path, data)
    (tmp_path / 'train.json').unlink()
    assert dataset[0]['gt_pids'].tolist() == [1, -1]
    assert capsys.readouterr().out == ''


def test_other_classes_are_left_out(tmp_path):
    data = content(PEOPLE)
    data['categories'].insert(0, dict(id=7, name='dog'))
    data['annotations'][0]['category_id'] = 7
    with pytest.warns(UserWarning, match='1 of another category'):
        dataset = build(tmp_path, data)
    ann = dataset.get_ann_info(0)
    assert ann['pids'].tolist() == [-1] and ann['labels'].tolist() == [0]


def test_json_of_the_authors_form_loads(tmp_path):
    """Fields, order and negative numbers as in the annotation files published with AlignPS."""
    data = dict(
        categories=[dict(id=1, name='person', supercategory='object')],
        images=[dict(file_name='c1s1_000151.jpg', id=0, width=160, height=90)],
        annotations=[
            dict(
                area=1200,
                bbox=[-4, 48, 20, 60],
                category_id=1,
                id=0,
                image_id=0,
                iscrowd=0,
                person_id=-2,
                segmentation=[],
            ),
            dict(
                area=800,
                bbox=[102, 14, 20, 40],
                category_id=1,
                id=1,
                image_id=0,
                iscrowd=0,
                person_id=482,
                segmentation=[],
            ),
        ],
    )
    dataset = build(tmp_path, data)
    results = dataset[0]
    assert results['gt_pids'].tolist() == [-1, 0]
    assert results['gt_bboxes'].tolist() == [[-4, 48, 16, 108], [102, 14, 122, 54]]
    assert dataset.person_ids.tolist() == [482]


def test_pictures_without_people(tmp_path):
    data = content(PEOPLE[:2])
    assert [info['filename'] for info in build(tmp_path, data).data_infos] == ['0.jpg']
    dataset = build(tmp_path, data, filter_empty_gt=False)
    assert len(dataset) == 3
    results = dataset[2]
    assert results['gt_bboxes'].shape == (0, 4)
    assert results['gt_pids'].shape == (0,) and results['gt_pids'].dtype == np.int64


@pytest.mark.parametrize('data', [content([]), content([], num_images=0)])
def test_empty_training_set_is_named(tmp_path, data):
    with pytest.raises(ValueError, match=r'train.json: no picture with people is left to train on'):
        build(tmp_path, data)


def test_missing_pictures_are_named(tmp_path):
    write_scenes(tmp_path)
    (tmp_path / 'pics' / '1.jpg').unlink()
    (tmp_path / 'pics' / '2.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'pics/1.jpg: no such picture \(2 of .*train.json'):
        build(tmp_path, pictures=False)


def test_missing_and_truncated_annotation_files_are_named(tmp_path):
    cfg = dict(type='PersonSearchDataset', data_root=str(tmp_path), pipeline=PIPELINE)
    with pytest.raises(FileNotFoundError, match=r'absent.json: no such file; write it with tools/'):
        build_dataset({**cfg, 'ann_file': 'absent.json'})
    (tmp_path / 'cut.json').write_text(json.dumps(content(PEOPLE))[:-20])
    with pytest.raises(ValueError, match='cut.json: truncated or not json'):
        build_dataset({**cfg, 'ann_file': 'cut.json'})


def test_a_step_that_leaves_identities_behind_is_named(tmp_path):
    shift = dict(type='RandomShift', shift_ratio=1.0, max_shift_px=60)
    dataset = build(tmp_path, pipeline=[*PIPELINE, shift])
    with pytest.raises(ValueError, match=r'WithPids.*data.train.pipeline'):
        for seed in range(50):
            np.random.seed(seed)
            dataset[0]
    wrapped = build(tmp_path, pipeline=[*PIPELINE, dict(type='WithPids', transform=shift)])
    for seed in range(50):
        np.random.seed(seed)
        wrapped[0]


def cut(root, *names):
    for name in names:
        path = root / 'pics' / name
        path.write_bytes(path.read_bytes()[:-500])


def test_broken_training_picture_is_replaced_and_counted(tmp_path):
    dataset = build(tmp_path)
    cut(tmp_path, '1.jpg')
    with pytest.warns(UserWarning, match=r'1.jpg: the picture is truncated.*replaced.*1 so far'):
        results = dataset[1]
    assert results['img_info']['filename'] in ('0.jpg', '2.jpg')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        dataset[1]
    assert dataset.corrupt_pictures == ['1.jpg']


def test_too_many_broken_training_pictures_are_an_error(tmp_path):
    dataset = build(tmp_path, max_corrupt=1)
    cut(tmp_path, '0.jpg', '1.jpg')
    with (
        pytest.warns(UserWarning, match='0.jpg'),
        pytest.raises(PictureError, match='max_corrupt=1'),
    ):
        [dataset[i] for i in range(2)]


def test_all_pictures_broken_is_an_error_not_an_endless_search(tmp_path):
    dataset = build(tmp_path)
    cut(tmp_path, '0.jpg', '1.jpg', '2.jpg')
    with pytest.warns(UserWarning), pytest.raises(PictureError, match='3 broken training pictures'):
        dataset[0]


def test_workers_count_broken_pictures_together(tmp_path):
    data = content([(i, (10, 10, 20, 40), i) for i in range(6)], num_images=6)
    dataset = build(tmp_path, data, pipeline=[*PIPELINE, *FORMAT])
    cut(tmp_path, '1.jpg', '4.jpg')
    for _ in build_dataloader(dataset, 1, 2, dist=False, seed=0):
        pass
    assert dataset.corrupt_pictures == ['1.jpg', '4.jpg']


def test_broken_test_picture_is_an_error_that_names_the_file(tmp_path):
    dataset = build_test(tmp_path)
    cut(tmp_path, '1.jpg')
    with pytest.raises(PictureError, match='1.jpg: the picture is truncated'):
        dataset[1]


def test_picture_of_another_size_is_named(tmp_path):
    dataset = build(tmp_path, content(PEOPLE, size=(170, 90)))
    write_scenes(tmp_path)
    with pytest.raises(ValueError, match='0.jpg: is 160x90, the annotations are for 170x90'):
        dataset[0]


def test_batches_keep_people_of_each_picture_apart(tmp_path):
    dataset = build(tmp_path, pipeline=[*PIPELINE, *FORMAT])
    (batch,) = build_dataloader(dataset, 3, 0, dist=False, shuffle=False)
    pids = batch['gt_pids'].data[0]
    assert [p.tolist() for p in pids] == [[1, -1], [1, 0], [-1]]
    assert all(p.dtype == torch.int64 for p in pids)


def jittered(dataset, workers):
    loader = build_dataloader(dataset, 1, workers, dist=False, shuffle=False, seed=3)
    return torch.cat([batch['img'].data[0] for batch in loader])


def test_same_seed_gives_the_same_pictures(tmp_path):
    """Randomness is numpy's, which mmdet seeds in each worker."""
    pipeline = [*PIPELINE, dict(type='ChannelJitter'), *FORMAT]
    dataset = build(tmp_path, pipeline=pipeline)
    first, again = jittered(dataset, 2), jittered(dataset, 2)
    assert torch.equal(first, again)
    plain = build(tmp_path, pipeline=[*PIPELINE, *FORMAT])
    assert not torch.equal(first, jittered(plain, 2).float())


def found(boxes, feats, score=0.9):
    scores = np.full((len(boxes), 1), score)
    bboxes = np.concatenate([np.reshape(boxes, (-1, 4)), scores], axis=1).astype(np.float32)
    return dict(bboxes=bboxes, feats={'alignps': np.array(feats, np.float32).reshape(-1, 2)})


RESULTS = [
    found([[10, 10, 30, 50], [50, 10, 70, 50]], [[1, 0], [0, 1]]),
    found([[12, 10, 32, 50], [70, 20, 95, 70]], [[0.6, 0.8], [0, 1]]),
    found([[30, 5, 50, 45]], [[0.8, 0.6]]),
]


def test_evaluate_by_hand(tmp_path):
    """Two queries of person 4, in pictures 0 and 1.

    From 0 the similarities are 0.8 (picture 2, wrong), 0.6 (right), 0 (wrong): AP 1/2, rank 2.
    From 1 they are 0.96 (picture 2, wrong), 0.8 (picture 0, wrong), 0.6 (right): AP 1/3, rank 3.
    """
    numbers = build_test(tmp_path).evaluate(RESULTS)
    assert numbers['mAP'] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert numbers['top1'] == 0 and numbers['top5'] == numbers['top10'] == 1
    assert numbers['det_AP'] == numbers['det_recall'] == 1
    assert all(type(value) is float for value in numbers.values())


def test_evaluate_takes_one_metric_and_other_galleries(tmp_path):
    dataset = build_test(tmp_path)
    assert not any(name.startswith('det') for name in dataset.evaluate(RESULTS, metric='search'))
    assert 'mAP' not in dataset.evaluate(RESULTS, metric=['detection'])
    with pytest.raises(KeyError, match='bbox'):
        dataset.evaluate(RESULTS, metric='bbox')
    with pytest.raises(ValueError, match='2 results for 3 images'):
        dataset.evaluate(RESULTS[:2])
    with pytest.raises(ValueError, match="cameras='cross' needs the camera"):
        dataset.evaluate(RESULTS, gallery_sizes='cross')


def test_concatenation_gives_the_main_numbers(tmp_path):
    two = [
        dict(result, feats={'alignps': result['feats']['alignps'], 'roi_align': roi})
        for result, roi in zip(RESULTS, [np.eye(2), np.eye(2), [[0, 1]]], strict=True)
    ]
    numbers = build_test(tmp_path).evaluate(two)
    assert numbers['mAP'] == numbers['all/concatenation/mAP']
    assert numbers['all/alignps/mAP'] != numbers['all/roi_align/mAP']


def test_queries_of_a_picture(tmp_path):
    dataset = build_test(tmp_path)
    assert [dataset.queries_of(i).tolist() for i in range(3)] == [
        [[10, 10, 30, 50]],
        [[12, 10, 32, 50]],
        [],
    ]
    assert dataset.queries_of(2).shape == (0, 4)


def test_dataset_without_protocol_says_so(tmp_path):
    dataset = build_test(tmp_path, query_file=None)
    with pytest.raises(FileNotFoundError, match='no search protocol'):
        dataset.evaluate(RESULTS)


class Recorder(torch.nn.Module):
    """Stands where a detector would and returns what it was given."""

    def __init__(self, key):
        super().__init__()
        self.key = key

    def forward(self, return_loss, rescale, img, img_metas, **given):
        assert list(given) == [self.key]
        (boxes,) = given[self.key]
        assert len(img) == len(img_metas) == 1
        assert img[0].shape[0] == len(img_metas[0]) == len(boxes)
        scales = [meta['scale_factor'] for meta in img_metas[0]]
        return [b.numpy() / s for b, s in zip(boxes, scales, strict=True)]


@pytest.mark.parametrize('batch', [1, 2])
@pytest.mark.parametrize(
    'source, expected',
    [
        (
            'gt',
            [
                [[10, 10, 30, 50], [50, 10, 70, 50]],
                [[12, 10, 32, 50], [70, 20, 95, 70]],
                [[30, 5, 50, 45]],
            ],
        ),
        ('query', [[[10, 10, 30, 50]], [[12, 10, 32, 50]], []]),
    ],
)
def test_given_boxes_reach_the_model(tmp_path, source, expected, batch):
    cfg = dict(pipeline=TEST_PIPELINE)
    changed = use_given_boxes(cfg, source)
    assert cfg == dict(pipeline=TEST_PIPELINE)
    dataset = build_test(tmp_path, changed['pipeline'])
    loader = build_dataloader(dataset, batch, 0, dist=False, shuffle=False)
    got = collect_results(MMDataParallel(Recorder(f'{source}_bboxes'), device_ids=[]), loader)
    assert [boxes.tolist() for boxes in got] == expected


@pytest.mark.parametrize('name', ['ann_file', 'query_file', 'data_root', 'img_prefix'])
@pytest.mark.parametrize('value', [3, 0, True])
def test_a_path_that_is_none_is_told(tmp_path, name, value):
    with pytest.raises(ValueError, match=f'{name}={value}: the path of a file or folder'):
        build(tmp_path, **{name: value})


def test_an_annotation_file_has_to_be_given(tmp_path):
    with pytest.raises(ValueError, match='ann_file=None: the path'):
        build(tmp_path, ann_file=None)
    file = str(tmp_path / 'train.json')
    others = dict(query_file=None, data_root=None, img_prefix=None)
    assert len(build(tmp_path, ann_file=file, check_pictures=False, **others)) == 3
