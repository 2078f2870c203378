"""Every person is a rectangle of one colour, so that a box can be told from what it shows."""

import json

import cv2
import numpy as np
import pytest
from mmcv.utils import build_from_cfg
from mmdet.datasets import PIPELINES, build_dataset

from mmdet_ps.datasets.pipelines import WithPids

H, W = 300, 400
DROPPING = [
    dict(type='RandomCrop', crop_size=(0.4, 0.4), crop_type='relative', allow_negative_crop=True),
    dict(type='MinIoURandomCrop', min_ious=(0.0,), min_crop_size=0.3),
    dict(type='RandomShift', shift_ratio=1.0, max_shift_px=200),
    dict(type='RandomAffine', max_translate_ratio=0.5, max_rotate_degree=0, max_shear_degree=0),
    dict(
        type='RandomCenterCropPad',
        crop_size=(150, 200),
        ratios=(1.0,),
        mean=[0, 0, 0],
        std=[1, 1, 1],
        to_rgb=False,
        test_pad_mode=None,
    ),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(22, 1)),
]


def scene(start=0):
    """Twelve people apart from each other, number i of colour (10 i + 20, 255 - 10 i, 7 i)."""
    img = np.zeros((H, W, 3), np.float32)
    boxes = []
    for i in range(12):
        x, y = 10 + i % 4 * 100, 10 + i // 4 * 100
        boxes.append((x, y, x + 20 + i, y + 60))
        img[y : y + 60, x : x + 20 + i] = colour(start + i)
    pids = np.arange(start, start + 12)
    return dict(
        img=img,
        img_fields=['img'],
        img_shape=img.shape,
        bbox_fields=['gt_bboxes'],
        gt_bboxes=np.array(boxes, np.float32),
        gt_labels=np.zeros(12, np.int64),
        gt_pids=pids,
    )


def colour(pid):
    return (9 * pid + 20, 250 - 9 * pid, 10 * pid)


def shown(results):
    """The person that each box shows, by the colour in its middle."""
    people = np.array([colour(i) for i in range(25)], np.float32)
    out = []
    for x1, y1, x2, y2 in results['gt_bboxes']:
        pixel = results['img'][int((y1 + y2) / 2), int((x1 + x2) / 2)]
        out.append(int(np.abs(people - pixel).sum(axis=1).argmin()))
    return out


def run(transform, seed):
    np.random.seed(seed)
    return transform(scene())


@pytest.mark.parametrize('cfg', DROPPING, ids=lambda cfg: cfg['type'])
def test_pids_follow_their_boxes_where_the_bare_transform_loses_them(cfg):
    bare, wrapped = build_from_cfg(cfg, PIPELINES), WithPids(cfg)
    lost = 0
    for seed in range(20):
        plain, results = run(bare, seed), run(wrapped, seed)
        np.testing.assert_array_equal(results['gt_bboxes'], plain['gt_bboxes'])
        assert results['gt_pids'].dtype == np.int64
        assert results['gt_pids'].tolist() == shown(results)
        assert results['gt_labels'].tolist() == [0] * len(results['gt_bboxes'])
        lost += len(plain['gt_pids']) != len(plain['gt_bboxes'])
    assert lost >= 5


def test_labels_of_several_classes_come_back():
    results = scene()
    results['gt_labels'] = np.arange(12) % 3
    np.random.seed(0)
    out = WithPids(DROPPING[0])(results)
    assert 0 < len(out['gt_pids']) < 12
    assert out['gt_labels'].tolist() == (out['gt_pids'] % 3).tolist()


def test_refused_picture_stays_refused():
    results = scene()
    results['gt_bboxes'] = np.zeros((0, 4), np.float32)
    results['gt_labels'] = results['gt_pids'] = np.zeros(0, np.int64)
    crop = dict(type='RandomCrop', crop_size=(50, 50), allow_negative_crop=False)
    assert WithPids(crop)(results) is None


def test_nobody_in_the_picture():
    results = scene()
    results['gt_bboxes'] = np.zeros((0, 4), np.float32)
    results['gt_labels'] = results['gt_pids'] = np.zeros(0, np.int64)
    out = WithPids(DROPPING[0])(results)
    assert out['gt_pids'].shape == (0,) and out['gt_pids'].dtype == np.int64


@pytest.mark.parametrize(
    'mixing',
    [
        dict(type='Mosaic', img_scale=(H, W), min_bbox_size=8),
        dict(type='MixUp', img_scale=(H, W), ratio_range=(1.0, 1.0), flip_ratio=0.0),
    ],
    ids=lambda cfg: cfg['type'],
)
def test_mixed_pictures_are_numbered_through(tmp_path, mixing):
    images, people = [], []
    for i in range(2):
        one = scene(12 * i)
        # png, so that colours stay exact
        cv2.imwrite(str(tmp_path / f'{i}.png'), one['img'].astype(np.uint8))
        images.append(dict(id=i, file_name=f'{i}.png', width=W, height=H))
        for box, pid in zip(one['gt_bboxes'].tolist(), one['gt_pids'].tolist(), strict=True):
            x, y, x2, y2 = box
            entry = dict(image_id=i, category_id=1, bbox=[x, y, x2 - x, y2 - y], person_id=pid)
            people.append(dict(id=len(people), **entry))
    content = dict(images=images, annotations=people, categories=[dict(id=1, name='person')])
    (tmp_path / 'train.json').write_text(json.dumps(content))
    dataset = build_dataset(
        dict(
            type='MultiImageMixDataset',
            dataset=dict(
                type='PersonSearchDataset',
                data_root=str(tmp_path),
                ann_file='train.json',
                pipeline=[dict(type='LoadSceneImage'), dict(type='LoadPersonAnnotations')],
            ),
            pipeline=[dict(type='WithPids', transform=mixing)],
        )
    )
    np.random.seed(1)
    seen, mixed = 0, False
    for i in range(8):
        results = dataset[i % 2]
        assert len(results['gt_pids']) == len(results['gt_bboxes'])
        if mixing['type'] == 'Mosaic':
            assert results['gt_pids'].tolist() == shown(results)
        mixed |= len({pid // 12 for pid in results['gt_pids'].tolist()}) == 2
        seen += len(results['gt_pids'])
    assert seen and mixed


def test_only_a_mixing_transform_is_taken_for_one():
    assert not hasattr(WithPids(DROPPING[0]), 'get_indexes')
    assert hasattr(WithPids(dict(type='Mosaic')), 'get_indexes')
