from pathlib import Path

import pytest
from mmcv import Config

from mmdet_ps.apis import load_config
from mmdet_ps.core.config_check import _CUSTOMARY, _KEYS, check_config

CONFIGS = Path(__file__).parents[2] / 'configs'
TINY = CONFIGS / 'synthetic/alignps_tiny.py'


@pytest.mark.parametrize(
    'key, value',
    [
        ('optimizer.lr', 0.1),
        ('model.backbone.with_cp', True),  # an argument that the config leaves out
        ('model.bbox_head.loss_reid.oim.num_pids', 7),
        ('model.backbone.init_cfg', None),
        ('data.train.max_corrupt', 3),
        ('data.train.filter_empty_gt', False),
        ('data.samples_per_gpu', 2),
        ('checkpoint_config.by_epoch', False),
        ('evaluation.interval', 1),
        ('evaluation.score_thr', 0.1),
        ('evaluation.query_feature', 'gt_box'),
        ('evaluation.class_weighted', True),
        ('evaluation.cbgm', dict(k1=10, k2=3)),
        ('fp16', dict(loss_scale='dynamic')),
        ('fp16.loss_scale', 'dynamic'),
        ('log_config.interval', 10),
        ('log_config.hooks.0.type', 'TextLoggerHook'),
        ('data.train.pipeline.2.flip_ratio', 0.0),
        ('lr_config.warmup_iters', 3),
        ('optimizer_config.grad_clip.max_norm', 3),
        ('optimizer.paramwise_cfg.norm_decay_mult', 0.0),
        ('optimizer.paramwise_cfg.custom_keys.roi_head.lr_mult', 0.5),
        ('optimizer.paramwise_cfg.custom_keys.conv_offset.decay_mult', 0.0),
    ],
)
def test_option_takes_effect(key, value):
    cfg = load_config(TINY, {key: value})
    section = cfg._cfg_dict
    for part in key.split('.'):
        section = section[int(part)] if isinstance(section, list) else section[part]
    assert section == value


@pytest.mark.parametrize(
    'key, near',
    [
        ('optimiser.lr', 'optimizer'),
        ('optimizer.learning_rate', 'lr'),
        ('model.bbox_head.loss_reid.oim.num_pid', 'num_pids'),
        ('model.backbone.dept', 'depth'),
        ('data.sample_per_gpu', 'samples_per_gpu'),
        ('data.train.ann_fil', 'ann_file'),
        ('model.neck.fusions', 'fusion'),
        ('total_epochs', 'near names'),
        ('optimizer.paramwise_cfg.norm_decay', 'norm_decay_mult'),
        ('optimizer.paramwise_cfg.custom_keys.backbone.lr_mul', 'lr_mult'),
        # Would be read as a section layer1 in that of backbone, which scales nothing.
        ('optimizer.paramwise_cfg.custom_keys.backbone.layer1.lr_mult', 'lr_mult'),
    ],
)
def test_unknown_option_lists_near_names(key, near):
    with pytest.raises(KeyError) as error:
        load_config(TINY, {key: 1})
    assert key in error.value.args[0] and near in error.value.args[0]


ROI = CONFIGS / 'synthetic/roi_alignps_tiny.py'


def keys_of(node, path=()):
    """Every dict key of a config, as a path."""
    items = enumerate(node) if isinstance(node, list | tuple) else node.items()
    for key, value in items:
        if isinstance(node, dict):
            yield (*path, key)
        if isinstance(value, dict | list | tuple):
            yield from keys_of(value, (*path, key))


def misspelt(cfg, path):
    """A copy of a config in which one key has a letter too many."""
    changed = Config(cfg._cfg_dict.to_dict())
    section = changed._cfg_dict
    for part in path[:-1]:
        section = section[part]
    section[f'{path[-1]}x'] = section.pop(path[-1])
    return changed


# Layers and NMS are built by functions that look arguments up by name in other libraries.
ELSEWHERE = {'norm_cfg', 'conv_cfg', 'act_cfg', 'dcn', 'nms', 'roi_layer', 'fields'}
# Parts of the names of parameters.
CUSTOM_KEYS = ('optimizer', 'paramwise_cfg', 'custom_keys')


@pytest.mark.parametrize('path', [TINY, ROI, CONFIGS / 'released/roi_alignps_r50_prw.py'])
def test_no_key_of_a_file_can_be_misspelt(path):
    cfg = load_config(path)
    known = [key for key in keys_of(cfg._cfg_dict.to_dict()) if key[0] in _KEYS]
    missed = []
    for key in known:
        # Without its type a section is refused by who builds it.
        if ELSEWHERE & set(key[:-1]) or key[:-1] == CUSTOM_KEYS or key[-1] in ('type', *_CUSTOMARY):
            continue
        try:
            check_config(misspelt(cfg, key))
            missed.append('.'.join(map(str, key)))
        except (KeyError, ValueError):
            pass
    assert len(known) > 100 and not missed, missed


@pytest.mark.parametrize(
    'text, place, near',
    [
        ('data = dict(test=dict(gallery_size=[50]))', 'data.test.gallery_size', 'gallery_sizes'),
        ('model = dict(neck=dict(out_level=[3]))', 'model.neck.out_level', 'out_levels'),
        ('model = dict(test_cfg=dict(score_th=0.1))', 'model.test_cfg.score_th', 'score_thr'),
        ('evaluation = dict(class_weight=True)', 'evaluation.class_weight', 'class_weighted'),
        ('evaluation = dict(gallery_size=50)', 'evaluation.gallery_size', 'gallery_sizes'),
        ('optimiser = dict(lr=1)', 'optimiser', 'optimizer'),
        ('log_config = dict(intervall=1)', 'log_config.intervall', 'interval'),
        (
            'data = dict(train=dict(pipeline=[dict(type="RandomFlip", flip_ration=0.1)]))',
            'data.train.pipeline.0.flip_ration',
            'flip_ratio',
        ),
        ('lr_config = dict(warmup_iter=3)', 'lr_config.warmup_iter', 'warmup_iters'),
        ('runner = dict(max_epoch=3)', 'runner.max_epoch', 'max_epochs'),
        (
            'checkpoint_config = dict(max_keep_ckpt=3)',
            'checkpoint_config.max_keep_ckpt',
            'max_keep',
        ),
        (
            'custom_hooks = [dict(type="EMAHook", momentun=0.1)]',
            'custom_hooks.0.momentun',
            'momentum',
        ),
    ],
)
def test_misspelt_key_in_a_file(tmp_path, text, place, near):
    (tmp_path / 'own.py').write_text(f'_base_ = {str(TINY)!r}\n{text}\n')
    with pytest.raises(KeyError) as error:
        load_config(tmp_path / 'own.py')
    line = error.value.args[0]
    assert line.startswith(f'{tmp_path}/own.py: {place}: ') and near in line.split('near names')[1]


LEGAL = """
_base_ = {base!r}
six_scales_pipeline = [dict(type='Anything', at=1)]
table = nae_branch = dict(of=dict(mine=1))
work_dir = 'x'
fp16 = dict(loss_scale=512.0)
model = dict(
    backbone=dict(
        plugins=[dict(cfg=dict(type='ContextBlock', ratio=0.25), stages=(False, True, True, True),
                      position='after_conv3')],
        init_cfg=[
            dict(type='Kaiming', layer='Conv2d', a=1, mode='fan_in'),
            dict(type='Constant', val=1, bias=0, layer=['BatchNorm2d', 'GroupNorm'],
                 override=dict(type='Constant', name='norm3', val=0, bias_prob=0.1)),
        ],
    ),
    bbox_head=dict(init_cfg=dict(type='Normal', layer='Conv2d', std=0.01,
                                 override=[dict(name='conv_cls', std=0.02)])),
    train_cfg=dict(assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4,
                                 iou_calculator=dict(type='BboxOverlaps2D', scale=1.0)),
                   allowed_border=-1, pos_weight=-1, debug=False),
    test_cfg=dict(nms_pre=100, min_bbox_size=0, nms=dict(type='soft_nms', iou_threshold=0.5)),
)
image = dict(type='LoadImageFromFile', to_float32=True, file_client_args=dict(backend='disk'))
scenes = dict(type='PersonSearchDataset', ann_file=['a.json', 'b.json'], separate_eval=False,
              pipeline=[image, dict(type='AutoAugment', policies=[[dict(type='Rotate', level=1)]]),
                        dict(type='Albu', transforms=[dict(type='Blur', p=0.1)],
                             keymap=dict(img='image'),
                             bbox_params=dict(type='BboxParams', format='pascal_voc'))])
data = dict(
    train_dataloader=dict(samples_per_gpu=2, pin_memory=True, prefetch_factor=4),
    train=dict(_delete_=True, type='RepeatDataset', times=2,
               dataset=dict(type='ConcatDataset', datasets=[scenes, scenes])),
    val=dict(filter_empty_gt=False),
)
custom_hooks = [dict(type='EMAHook', momentum=0.1, priority=49),
                dict(type='CheckpointHook', interval=1, filename_tmpl='x_{{}}.pth')]
checkpoint_config = dict(interval=1, create_symlink=False)
log_config = dict(hooks=[dict(type='TextLoggerHook', interval=5, by_epoch=False)])
optimizer = dict(_delete_=True, type='SGD', lr=0.1, nesterov=True, momentum=0.9,
                 constructor='DefaultOptimizerConstructor',
                 paramwise_cfg=dict(bypass_duplicate=True,
                                    custom_keys={{'backbone.layer1': dict(lr_mult=0.1)}}))
optimizer_config = dict(type='GradientCumulativeOptimizerHook', cumulative_iters=2,
                        grad_clip=dict(max_norm=1, norm_type=2))
lr_config = dict(_delete_=True, policy='step', step=[1], gamma=0.1, warmup='linear')
momentum_config = dict(policy='cyclic', target_ratio=(0.85, 1), cyclic_times=1)
evaluation = dict(metric='search', dynamic_intervals=[(1, 2)], rule='greater', start=1)
dist_params = dict(backend='nccl', timeout=3, port=1)
"""


def test_what_mmdet_takes_is_not_refused(tmp_path):
    (tmp_path / 'own.py').write_text(LEGAL.format(base=str(TINY)))
    load_config(tmp_path / 'own.py')


@pytest.mark.parametrize(
    'text, line',
    [
        ('data.test=3', '--cfg-options data.test: data.test=3: stands for a whole section'),
        ('model.neck=big', "model.neck='big': stands for a whole section"),
        ('data.train.pipeline=3', 'data.train.pipeline=3: stands for a whole section'),
        ('optimizer_config.grad_clip=35', 'optimizer_config.grad_clip=35: stands for a whole'),
        ('data.workers_per_gpu=two', "data.workers_per_gpu='two': a whole number of at least 0"),
        ('data.workers_per_gpu=True', 'data.workers_per_gpu=True: a whole number of at least 0'),
        ('data.workers_per_gpu=-1', 'data.workers_per_gpu=-1: a whole number of at least 0'),
        ('data.samples_per_gpu=0', 'data.samples_per_gpu=0: a whole number of at least 1'),
        ('data.samples_per_gpu=1.5', 'data.samples_per_gpu=1.5: a whole number of at least 1'),
        (
            'data.test_dataloader.workers_per_gpu=two',
            "data.test_dataloader.workers_per_gpu='two': a whole",
        ),
        ('evaluation.cbgm=3', 'evaluation.cbgm=3: needs dict(k1=K1, k2=K2)'),
        ('evaluation.score_thr=nan', 'evaluation.score_thr=nan: a finite number'),
        ('model.neck.in_channels=(1,[2)', '--cfg-options: Imbalanced brackets'),
    ],
)
def test_value_that_cannot_be(text, line):
    with pytest.raises(ValueError) as error:
        load_config(TINY, [text])
    assert line in error.value.args[0] and '\n' not in error.value.args[0]


def test_option_of_a_variable_is_refused():
    with pytest.raises(KeyError, match='train_pipeline: is a variable of the config files'):
        load_config(TINY, ['train_pipeline.0.type=LoadImageFromFile'])


def test_options_are_read_as_mmdet_reads_them():
    texts = ['model.neck.in_channels=16,32,64', 'data.train.pipeline.2.flip_ratio=None']
    texts += ['model.backbone.frozen_stages=[(1, a), True]', 'log_level=x=y', 'bf16=true']
    cfg = load_config(TINY, texts)
    assert cfg.model.neck.in_channels == [16, 32, 64]
    assert cfg.data.train.pipeline[2].flip_ratio is None
    assert cfg.model.backbone.frozen_stages == [(1, 'a'), True]
    assert cfg.log_level == 'x=y' and cfg.bf16 is True


def test_missing_file():
    with pytest.raises(FileNotFoundError, match='nowhere.py: no such config'):
        load_config('nowhere.py')


@pytest.mark.parametrize(
    'text',
    [
        'model = dict(\n',
        'model = nothing\n',
        "custom_imports = dict(imports=['no_such_package'])\nmodel = data = dict()\n",
        'model = dict()\n',
    ],
)
def test_file_that_is_no_config(tmp_path, text):
    (tmp_path / 'bad.py').write_text(text)
    with pytest.raises(ValueError, match='bad.py: not a config'):
        load_config(tmp_path / 'bad.py')


def test_initialiser_takes_its_own_arguments():
    key = 'model.backbone.init_cfg.prefix'
    cfg = load_config(CONFIGS / 'alignps/alignps_r50_prw.py', {key: 'backbone.'})
    assert cfg.model.backbone.init_cfg.prefix == 'backbone.'


# A table.py holds what the leaves beside it share, and is no config of its own.
LEAVES = sorted(path for path in CONFIGS.glob('[!_]*/**/*.py') if path.name != 'table.py')


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_config_loads(path):
    """And the check of its keys lets it pass."""
    assert load_config(path).model.type
