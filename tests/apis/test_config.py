import subprocess
import sys
from pathlib import Path

import pytest

from mmdet_ps.apis import load_config

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
        ('evaluation.cbgm.k1', 10),
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


def test_package_registers_where_mmdet_is_there():
    """As a config with ``custom_imports=dict(imports=['mmdet_ps'])`` expects of mmdet's tools."""
    code = "import mmdet.models, mmdet_ps\nassert mmdet.models.DETECTORS.get('AlignPS')\n"
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)


# A table.py holds what the leaves beside it share, and is no config of its own.
LEAVES = sorted(path for path in CONFIGS.glob('[!_]*/**/*.py') if path.name != 'table.py')


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_config_loads(path):
    assert load_config(path).model.type
