import pytest
import torch
from mmcv.runner import build_optimizer as build_by_mmcv
from mmdet.core.optimizers import build_optimizer as build_by_mmdet
from torch import nn

from mmdet_ps.core.optimizers import TakesTurns, build_optimizer


class Turns(TakesTurns, nn.Linear):
    pass


def net():
    torch.manual_seed(0)
    return nn.ModuleDict(
        dict(first=nn.Linear(2, 3), turns=Turns(3, 3), norm=nn.BatchNorm1d(3), last=nn.Linear(3, 1))
    )


def groups(optimizer, model):
    """Settings by parameter name."""
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(p)]: {key: value for key, value in group.items() if key != 'params'}
        for group in optimizer.param_groups
        for p in group['params']
    }


SGD = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.01)
ADAM = dict(type='AdamW', lr=0.1, betas=(0.8, 0.95), weight_decay=0.01)
PARAMWISE = dict(
    bias_lr_mult=2.0,
    norm_decay_mult=0.0,
    custom_keys=dict(last=dict(lr_mult=0.5), turns=dict(lr_mult=0.2, decay_mult=3.0)),
)


@pytest.mark.parametrize('paramwise', [None, PARAMWISE], ids=['plain', 'paramwise'])
@pytest.mark.parametrize('cfg', [SGD, ADAM], ids=['sgd', 'adamw'])
@pytest.mark.parametrize('build', [build_by_mmcv, build_by_mmdet], ids=['mmcv', 'mmdet'])
def test_only_momentum_and_decay_of_turns_differ(build, cfg, paramwise):
    model = net()
    cfg = cfg | dict(paramwise_cfg=paramwise)
    plain = groups(build(model, cfg), model)
    ours = groups(build(model, cfg | dict(constructor='TurnsOptimizerConstructor')), model)
    assert set(ours) == set(plain) == {name for name, _ in model.named_parameters()}
    inertia = dict(weight_decay=0.0)
    inertia |= dict(momentum=0.0) if cfg is SGD or 'momentum' in cfg else dict(betas=(0.0, 0.95))
    for name, settings in plain.items():
        assert ours[name] == (settings | inertia if name.startswith('turns.') else settings)


def test_every_parameter_is_in_one_group():
    model = net()
    optimizer = build_by_mmcv(model, SGD | dict(constructor='TurnsOptimizerConstructor'))
    members = [id(p) for group in optimizer.param_groups for p in group['params']]
    assert sorted(members) == sorted(id(p) for p in model.parameters())
    assert len(optimizer.param_groups) == 2


def test_a_training_takes_turns_without_being_told():
    """Our own training, where a schedule of somebody's own names no constructor."""
    model = net()
    assert groups(build_optimizer(model, dict(SGD)), model)['turns.weight']['momentum'] == 0
    named = dict(SGD, constructor='DefaultOptimizerConstructor')
    assert groups(build_optimizer(model, named), model)['turns.weight']['momentum'] == 0.9
