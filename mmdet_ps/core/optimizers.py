"""Optimizers for modules that learn in some steps and rest in others."""

from typing import Any

import mmdet.core
from mmcv.runner.optimizer import OPTIMIZER_BUILDERS, DefaultOptimizerConstructor
from torch import nn
from torch.optim import Optimizer

# What makes an optimizer move a parameter whose gradient is zero: earlier steps and decay.
_INERTIA = dict(
    momentum=lambda _: 0.0,
    betas=lambda betas: (0.0, *betas[1:]),
    weight_decay=lambda _: 0.0,
)


class TakesTurns:
    """Mark of a module that must rest while its gradient is zero."""


@OPTIMIZER_BUILDERS.register_module()
class TurnsOptimizerConstructor(DefaultOptimizerConstructor):
    """mmcv's constructor; modules that are `TakesTurns` get groups without momentum and decay.

    A gradient of zero then moves nothing in such a module, to the last bit, under SGD, Adam and
    their relatives. Learning rates, and all that ``paramwise_cfg`` says of other modules, stay.

    Named in a config by ``optimizer=dict(constructor='TurnsOptimizerConstructor', ...)``; takes
    the arguments of ``DefaultOptimizerConstructor``.
    """

    def __call__(self, model: nn.Module) -> Optimizer:
        """Build the optimizer of a model."""
        optimizer = super().__call__(model)
        resting = {
            id(parameter)
            for module in model.modules()
            if isinstance(module, TakesTurns)
            for parameter in module.parameters()
        }
        for group in list(optimizer.param_groups):
            own = [parameter for parameter in group['params'] if id(parameter) in resting]
            if not own:
                continue
            at_rest = {key: rest(group[key]) for key, rest in _INERTIA.items() if key in group}
            others = [parameter for parameter in group['params'] if id(parameter) not in resting]
            if others:
                group['params'] = others
                optimizer.add_param_group(at_rest | dict(params=own))
            else:
                group.update(at_rest)
        return optimizer


def build_optimizer(model: nn.Module, cfg: dict[str, Any]) -> Optimizer:
    """Build the optimizer of a config, by `TurnsOptimizerConstructor` where it names no other."""
    return mmdet.core.build_optimizer(model, dict(constructor='TurnsOptimizerConstructor') | cfg)
