"""bfloat16 where it pays and float32 where it counts.

Under ``bf16 = True`` the convolutions of backbone, neck and heads run in bfloat16 while training.
All that they hand on is float32 again, so losses, similarities, memories, RoIAlign and NMS are
computed as without it. Weights and optimizer stay in float32, and bfloat16 has float32's range, so
there is no loss scale. A test runs in float32.

Note:
    mmcv's deformable convolutions have no bfloat16 kernel and their sampling points would lose
    whole pixels in it: those layers stay in float32.
"""

from typing import Any

import torch
from mmcv.ops import DeformConv2dPack, ModulatedDeformConv2dPack
from torch import Tensor, nn

AUTOCAST_PARTS = ('backbone', 'neck', 'bbox_head', 'rpn_head', 'roi_head.shared_head')
FLOAT32_LAYERS = (DeformConv2dPack, ModulatedDeformConv2dPack)


def to_float32(value: Any) -> Any:
    """Cast the floating-point tensors inside tuples and lists."""
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, list | tuple):
        return type(value)(to_float32(item) for item in value)
    return value


def _device_type(args: tuple) -> str:
    first: Any = args[0] if args else None
    while isinstance(first, list | tuple) and first:
        first = first[0]
    return first.device.type if isinstance(first, Tensor) else 'cpu'


class _Forward:
    """A module's forward in another precision, set in place of its own.

    An object that knows its module, and no closure over a bound method: what copies or pickles the
    module takes it along, and it then runs the copy.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def own(self, *args: Any, **kwargs: Any) -> Any:
        """Run what the class of the module defines."""
        return type(self.module).forward(self.module, *args, **kwargs)


class InBfloat16(_Forward):
    """Convolutions in bfloat16 while training, and float32 for whoever reads the result."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module."""
        if not self.module.training:
            return self.own(*args, **kwargs)
        with torch.autocast(_device_type(args), torch.bfloat16):
            return to_float32(self.own(*args, **kwargs))


class InFloat32(_Forward):
    """float32 inside what runs in bfloat16."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module."""
        with torch.autocast(_device_type(args), enabled=False):
            return self.own(*to_float32(args), **kwargs)


def train_in_bfloat16(model: nn.Module) -> None:
    """Let the convolutions of a detector run in bfloat16 while it trains.

    Args:
        model: Detector; those of `AUTOCAST_PARTS` that it has are changed in place.
    """
    for name, module in model.named_modules():
        if isinstance(module, FLOAT32_LAYERS):
            module.forward = InFloat32(module)
        elif name in AUTOCAST_PARTS:
            module.forward = InBfloat16(module)
