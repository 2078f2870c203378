"""Configs of the models with a RoI branch, read the ways that tools read them."""

from pathlib import Path

import pytest
from mmcv import Config
from mmdet.utils import compat_cfg, replace_cfg_vals, update_data_root

CONFIGS = Path(__file__).parents[2] / 'configs'
NAE = ['baselines/nae_r50_cuhk', 'baselines/nae_r50_prw', 'synthetic/nae_tiny']
NAE += ['baselines/nae_plus_r50_cuhk', 'baselines/nae_plus_r50_prw', 'synthetic/nae_plus_tiny']
SEQNET = ['baselines/seqnet_r50_cuhk', 'baselines/seqnet_cbgm_r50_prw', 'synthetic/seqnet_tiny']
OIM = ['baselines/oim_r50_cuhk', 'baselines/oim_r50_prw', 'synthetic/oim_tiny']
ROI_ALIGNPS = ['roi_alignps/roi_alignps_r50_cuhk', 'released/roi_alignps_r50_prw']
ROI_ALIGNPS += ['synthetic/roi_alignps_tiny']


def load(name):
    return Config.fromfile(str(CONFIGS / f'{name}.py'), import_custom_modules=False)


@pytest.mark.parametrize('name', NAE + OIM + SEQNET + ROI_ALIGNPS)
def test_override_of_a_leaf_reaches_the_branch(name, tmp_path):
    """Of each part, beside what it leaves alone."""
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(
        f"_base_ = '{CONFIGS / name}.py'\n"
        'model = dict(\n'
        '    rpn_head=dict(loss_bbox=dict(loss_weight=7.0)),\n'
        '    roi_head=dict(bbox_head=dict(loss_reid=dict(oim=dict(momentum=0.25)))),\n'
        '    train_cfg=dict(rcnn=dict(sampler=dict(num=3))),\n'
        ')\n'
    )
    ours, theirs = Config.fromfile(str(leaf)).model.to_dict(), load(name).model.to_dict()
    assert ours['rpn_head']['loss_bbox'].pop('loss_weight') == 7.0
    assert ours['roi_head']['bbox_head']['loss_reid']['oim'].pop('momentum') == 0.25
    assert ours['train_cfg']['rcnn']['sampler'].pop('num') == 3
    del theirs['rpn_head']['loss_bbox']['loss_weight']
    del theirs['roi_head']['bbox_head']['loss_reid']['oim']['momentum']
    del theirs['train_cfg']['rcnn']['sampler']['num']
    assert ours == theirs


@pytest.mark.parametrize('name', NAE + OIM + SEQNET + ROI_ALIGNPS)
def test_nothing_of_the_model_stands_outside_it(name):
    assert not {key for key in load(name)._cfg_dict if 'branch' in key or 'head' in key}
    assert not {'train_cfg', 'test_cfg'} & set(load(name)._cfg_dict)


@pytest.mark.parametrize('name', NAE + OIM + SEQNET + ROI_ALIGNPS)
def test_mmdets_tools_read_the_same(name, tmp_path, monkeypatch):
    """From any folder, through their steps, and again from the copy that they keep."""
    monkeypatch.chdir(tmp_path)
    cfg = replace_cfg_vals(load(name))
    update_data_root(cfg)
    cfg = compat_cfg(cfg)
    cfg.dump(str(tmp_path / 'kept.py'))
    kept = Config.fromfile(str(tmp_path / 'kept.py'), import_custom_modules=False)
    assert kept.model.to_dict() == cfg.model.to_dict() == load(name).model.to_dict()
    assert kept.optimizer.constructor == 'TurnsOptimizerConstructor'


@pytest.mark.parametrize('name', NAE)
def test_nae_is_tested_as_published(name):
    cfg = load(name)
    assert cfg.evaluation.class_weighted is True
    assert cfg.model.test_cfg.rcnn.nms.iou_threshold == 0.4


@pytest.mark.parametrize('name', [name for name in NAE + SEQNET if 'r50' in name])
def test_two_stage_models_are_trained_as_published(name):
    cfg = load(name)
    assert (cfg.optimizer.lr, cfg.optimizer.weight_decay) == (0.003, 0.0005)
    assert 'paramwise_cfg' not in cfg.optimizer
    assert cfg.optimizer_config.grad_clip.max_norm == 10
    warmup = cfg.lr_config
    assert (warmup.warmup_ratio, warmup.warmup_iters, warmup.warmup_by_epoch) == (1e-3, 1, True)
    assert warmup.step == [16]
    epochs = 22 if 'nae' in name else dict(cuhk=20, prw=18)[name.rsplit('_', 1)[1]]
    assert cfg.runner.max_epochs == epochs
    assert cfg.data.samples_per_gpu == cfg.auto_scale_lr.base_batch_size == 5
    resize = cfg.data.train.pipeline[2]
    assert resize == dict(type='Resize', img_scale=(1500, 900), keep_ratio=True)
    assert cfg.model.train_cfg.rpn.allowed_border == 0


@pytest.mark.parametrize('name', SEQNET)
def test_seqnet_weighs_and_tests_as_published(name):
    cfg = load(name)
    head, rcnn = cfg.model.roi_head, cfg.model.test_cfg.rcnn
    assert head.first.bbox_head.loss_reid is None
    assert head.first.shared_head == head.shared_head
    if 'r50' in name:
        assert head.first.bbox_head.loss_bbox.loss_weight == 10
    assert head.bbox_head.loss_bbox.loss_weight == 1
    assert cfg.model.train_cfg.rcnn.assigner.neg_iou_thr == 0.5
    assert (rcnn.first.score_thr, rcnn.first.nms.iou_threshold) == (0.5, 0.4)
    assert (rcnn.first.max_per_img, rcnn.nms.iou_threshold) == (300, 0.5)
    assert cfg.evaluation.class_weighted is True
    if 'cbgm' in name:
        assert cfg.evaluation.cbgm == dict(k1=30, k2=4)


@pytest.mark.parametrize('dataset, k1, k2', [('cuhk', 10, 3), ('prw', 30, 4)])
def test_graph_matching_is_that_of_the_data_set(dataset, k1, k2):
    matched = load(f'baselines/seqnet_cbgm_r50_{dataset}')
    plain = load(f'baselines/seqnet_r50_{dataset}')
    assert matched.evaluation.pop('cbgm') == dict(k1=k1, k2=k2)
    assert matched._cfg_dict.to_dict() == plain._cfg_dict.to_dict()


@pytest.mark.parametrize('name', NAE[:2])
def test_projections_start_as_published(name):
    cfg = load(name)
    assert cfg.model.roi_head.bbox_head.get('projector_std', 0.01) == 0.01


@pytest.mark.parametrize('name', OIM)
def test_oim_is_trained_and_tested_as_published(name):
    cfg = load(name)
    head, rcnn = cfg.model.roi_head.bbox_head, cfg.model.train_cfg.rcnn
    assert (head.loss_reid.oim.temperature, head.loss_reid.oim.focal_gamma) == (0.1, 0)
    assert head.loss_reid.triplet is None
    assert 'c4_channels' not in head and head.loss_cls.use_sigmoid is False
    assert (rcnn.assigner.neg_iou_thr, rcnn.sampler.pos_fraction) == (0.5, 0.25)
    assert not cfg.evaluation.get('class_weighted')
    if 'r50' in name:
        pictures = dict(cuhk=11206, prw=5704)[name[-4:].strip('_')]
        assert (cfg.optimizer.lr, cfg.optimizer.weight_decay) == (0.001, 0.0005)
        assert (cfg.lr_config.step, cfg.lr_config.by_epoch) == ([40000], False)
        iterations = cfg.runner.max_epochs * pictures / cfg.data.samples_per_gpu
        assert abs(iterations - 50000) < 1500
        assert cfg.optimizer_config.grad_clip is None and 'warmup' not in cfg.lr_config


def test_rpn_of_the_published_models():
    for name in ROI_ALIGNPS[:2]:
        assert load(name).model.train_cfg.rpn.allowed_border == 0
