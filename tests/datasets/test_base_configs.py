"""The dataset configs: what SETTINGS of the paper say, on pictures of three shapes."""

from pathlib import Path

import numpy as np
import pytest
from mmcv import Config
from mmdet.datasets import build_dataloader, build_dataset

import mmdet_ps.datasets  # noqa: F401

from .scenes import content, write_scenes

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
NAMES = ['cuhk_sysu', 'prw', 'synthetic']


def dataset(name, split, root, size):
    people = [(0, (10, 10, 20, 40), 0), (1, (50, 10, 20, 40), -1)]
    write_scenes(root, content(people, 2, size), f'{split}.json')
    cfg = Config.fromfile(str(CONFIGS / f'{name}.py')).data[split]
    assert cfg.data_root.startswith('data/') and cfg.img_prefix in ('Image/SSM', 'frames')
    cfg.data_root, cfg.img_prefix = str(root), 'pics'
    return build_dataset(cfg, dict(test_mode=split != 'train'))


@pytest.mark.parametrize('name', ['cuhk_sysu', 'prw'])
@pytest.mark.parametrize('size', [(192, 108), (90, 160), (120, 120)])
def test_longer_side_is_drawn_from_667_to_2000(tmp_path, name, size):
    train = dataset(name, 'train', tmp_path, size)
    resize = next(step for step in train.pipeline.transforms if hasattr(step, 'ratio_range'))
    longer, ratios = [], []
    np.random.seed(0)
    for _ in range(60):
        out = resize(dict(img=np.zeros((size[1], size[0], 3), np.uint8), bbox_fields=[]))
        height, width = out['img_shape'][:2]
        longer.append(max(height, width))
        ratios.append(width / height)
    assert 666 <= min(longer) < 800 and 1850 < max(longer) <= 2000
    assert np.allclose(ratios, size[0] / size[1], rtol=5e-3)


@pytest.mark.parametrize('name', NAMES)
def test_training_batch(tmp_path, name):
    train = dataset(name, 'train', tmp_path, (480, 288))
    batch = next(iter(build_dataloader(train, 2, 0, dist=False, shuffle=False, seed=0)))
    assert set(batch) == {'img_metas', 'img', 'gt_bboxes', 'gt_labels', 'gt_pids'}
    img = batch['img'].data[0]
    assert img.shape[0] == 2 and img.shape[2] % 32 == 0 and img.shape[3] % 32 == 0
    assert [pids.tolist() for pids in batch['gt_pids'].data[0]] == [[0], [-1]]
    if name == 'synthetic':
        assert img.shape == (2, 3, 288, 480)


@pytest.mark.parametrize(
    'name, size, expected',
    [
        ('cuhk_sysu', (800, 600), (1200, 900)),
        ('cuhk_sysu', (600, 800), (900, 1200)),
        ('prw', (1920, 1080), (1500, 844)),
        ('prw', (720, 576), (1125, 900)),
        ('synthetic', (480, 288), (480, 288)),
    ],
)
def test_test_pictures_fit_with_their_ratio(tmp_path, name, size, expected):
    test = dataset(name, 'test', tmp_path, size)
    (meta,) = test[0]['img_metas']
    height, width = meta.data['img_shape'][:2]
    assert (width, height) == pytest.approx(expected, abs=1)
    assert meta.data['flip'] is False
    norm = meta.data['img_norm_cfg']
    assert np.allclose(norm['mean'], [103.53, 116.28, 123.675]) and norm['to_rgb'] is False
    if name != 'synthetic':
        assert np.allclose(norm['std'], 1)


@pytest.mark.parametrize('name', NAMES)
def test_evaluation_during_training(name):
    cfg = Config.fromfile(str(CONFIGS / f'{name}.py'))
    assert cfg.evaluation.save_best == 'mAP'
    assert cfg.evaluation.score_thr == (0.15 if name == 'prw' else 0.2)
    assert cfg.data.samples_per_gpu == 4
    assert cfg.data.val == cfg.data.test
    expected = {'cuhk_sysu': [100], 'prw': ['all'], 'synthetic': [50]}
    assert cfg.data.test.gallery_sizes == expected[name]
