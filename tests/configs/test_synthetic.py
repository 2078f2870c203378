"""The small models that learn drawn scenes from scratch."""

from pathlib import Path

import pytest
import torch
from mmcv.runner import build_optimizer
from mmdet.models import build_detector, build_head

from mmdet_ps.apis import load_config

CONFIGS = Path(__file__).parents[2] / 'configs'
SYNTHETIC = CONFIGS / 'synthetic'


@pytest.mark.parametrize('name', ['alignps_tiny', 'roi_alignps_tiny'])
def test_every_distance_starts_with_a_gradient(name):
    cfg = load_config(SYNTHETIC / f'{name}.py').model.bbox_head
    torch.manual_seed(0)
    head = build_head(cfg)
    head.init_weights()
    distances = head((torch.randn(2, 64, 36, 60),))[1][0]
    assert (distances > 0).all()
    distances.sum().backward()
    assert (head.conv_reg.bias.grad > 0).all()


@pytest.mark.parametrize('row, slowed', [('t1', 1), ('t2', 1), ('t3', 3), ('reid_first', 0)])
def test_convolutions_of_a_reid_tower_learn_slowly(row, slowed):
    """The one that gives the embedding, and two before it in a tower of its own."""
    cfg = load_config(CONFIGS / f'ablations/table3_task/{row}_synthetic.py')
    model = build_detector(cfg.model)
    rates = {
        id(g['params'][0]): g['lr'] for g in build_optimizer(model, cfg.optimizer).param_groups
    }
    slow = {name for name, p in model.named_parameters() if rates[id(p)] == 0.02 * cfg.optimizer.lr}
    head = 'bbox_head.'
    assert all(name.startswith((f'{head}conv_reid.', f'{head}reid_convs.')) for name in slow)
    assert sum(name.endswith(('conv.weight', 'conv_reid.weight')) for name in slow) == slowed
    assert rates[id(model.neck.lateral_convs[0].weight)] == cfg.optimizer.lr
