"""Deformable convolution that is fast on CUDA and on the CPU.

Deformable Convolutional Networks (Dai et al., ICCV 2017) as ``DCN`` and its modulated form
(Zhu et al., CVPR 2019) as ``DCNv2``, with the parameters and state-dict names of mmcv.

On CUDA, mmcv's operators do the work. On the CPU those run in one thread, so there the same sums
are written with convolution and ``grid_sample``.

Shapes: N images, C input and O output channels, K = kh * kw taps, (H, W) input map and (Ho, Wo)
output map.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from mmcv.cnn import CONV_LAYERS
from mmcv.ops import DeformConv2dPack, ModulatedDeformConv2dPack
from torch import Tensor

# Grid coordinates that are multiples of this stay exact in the float32 sums of `grid_sample`.
_GRID_STEP = 2.0**-23


def _sampling_grid(
    offset: Tensor,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Tensor:
    """Where each tap of each output point reads, in the coordinates of ``grid_sample``.

    Args:
        offset: (N, 2K, Ho, Wo), (y, x) of each tap in pixels of the input map.
        size: (H, W) of the input map.
        kernel: Taps (kh, kw).
        stride: Of the convolution, (y, x).
        padding: Of the convolution, (y, x).
        dilation: Of the convolution, (y, x).

    Returns:
        (N, K, Ho, Wo, 2) of (x, y) for ``align_corners=False``, which has no division by ``W - 1``
        and so holds for a map one pixel wide.
    """
    n, _, out_h, out_w = offset.shape
    offset = offset.view(n, -1, 2, out_h, out_w)
    axes = []
    for axis, out_size in ((1, out_w), (0, out_h)):
        taps = torch.arange(kernel[axis], device=offset.device) * dilation[axis] - padding[axis]
        starts = torch.arange(out_size, device=offset.device) * stride[axis]
        if axis == 0:
            regular = taps.repeat_interleave(kernel[1])[:, None, None] + starts[:, None]
        else:
            regular = taps.repeat(kernel[0])[:, None, None] + starts
        at = regular + offset[:, :, axis]
        # mmcv's operator takes a point at -1 or before as outside, with no gradient to its offset.
        at = torch.where(at > -1, at, -2.0)
        # `grid_sample` turns the coordinate back into pixels; rounding must not put a whole number
        # into the cell before it, whose slope differs (offsets start at zero: every point is
        # whole). So those are rounded up, others to the nearest.
        unit = (2 * at.double() + 1) / size[axis] - 1
        up = (unit / _GRID_STEP).ceil() * _GRID_STEP - unit
        axes.append(unit + torch.where(at == at.floor(), up, 0.0).detach())
    return torch.stack(axes, dim=-1)


def sampled_deform_conv2d(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> Tensor:
    """Deformable convolution by ``grid_sample``, one group.

    The tap weights act as a 1 x 1 convolution before the sampling where that leaves fewer channels
    to sample, else after it; both orders give the same sums.

    Args:
        x: (N, C, H, W).
        offset: (N, 2K, Ho, Wo) pixels.
        weight: (O, C, kh, kw).
        mask: (N, K, Ho, Wo), the modulation of version 2.
        bias: (O,).
        stride: Of the convolution, (y, x).
        padding: Of the convolution, (y, x).
        dilation: Of the convolution, (y, x).

    Returns:
        (N, O, Ho, Wo).
    """
    n, in_channels, height, width = x.shape
    out_channels, _, kernel_h, kernel_w = weight.shape
    out_h, out_w = offset.shape[-2:]
    taps = kernel_h * kernel_w
    grid = _sampling_grid(
        offset, (height, width), (kernel_h, kernel_w), stride, padding, dilation
    ).to(x.dtype)
    if out_channels <= in_channels and out_h * out_w >= height * width:
        by_tap = weight.permute(2, 3, 0, 1).reshape(taps * out_channels, in_channels, 1, 1)
        mapped = F.conv2d(x, by_tap).reshape(n * taps, out_channels, height, width)
        out = F.grid_sample(mapped, grid.flatten(0, 1), align_corners=False)
        out = out.view(n, taps, out_channels, out_h, out_w)
        if mask is not None:
            out = out * mask[:, :, None]
        out = out.sum(dim=1)
    else:
        read = F.grid_sample(x, grid.flatten(1, 2), align_corners=False)
        read = read.reshape(n, in_channels, taps, out_h, out_w)
        if mask is not None:
            read = read * mask[:, None]
        columns = read.reshape(n, in_channels * taps, out_h, out_w)
        out = F.conv2d(columns, weight.reshape(out_channels, in_channels * taps, 1, 1))
    return out if bias is None else out + bias.view(1, -1, 1, 1)


_sampled_on_cpu = True


@contextmanager
def mmcv_operator_on_cpu() -> Iterator[None]:
    """Let mmcv's operator do the work on the CPU too, to compare the two."""
    global _sampled_on_cpu
    before, _sampled_on_cpu = _sampled_on_cpu, False
    try:
        yield
    finally:
        _sampled_on_cpu = before


def _runs_sampled(layer: torch.nn.Module, x: Tensor) -> bool:
    """Whether the sampled form covers ``layer`` and is the faster one on the device of ``x``."""
    one_group = layer.groups == 1 and layer.deform_groups == 1
    return _sampled_on_cpu and x.device.type == 'cpu' and one_group


@CONV_LAYERS.register_module('DCN', force=True)
class DCN(DeformConv2dPack):
    """mmcv's ``DeformConv2dPack``, computed by `sampled_deform_conv2d` on the CPU.

    Note:
        It takes mmcv's place under the name ``'DCN'``: every config of mmdet gains by it, and
        results differ from mmcv's operator by rounding only.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) with offsets predicted from the map itself."""
        if not _runs_sampled(self, x):
            return super().forward(x)
        return sampled_deform_conv2d(
            x,
            self.conv_offset(x),
            self.weight,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )


@CONV_LAYERS.register_module('DCNv2', force=True)
class DCNv2(ModulatedDeformConv2dPack):
    """mmcv's ``ModulatedDeformConv2dPack``, computed by `sampled_deform_conv2d` on the CPU.

    Args:
        operator_on_cpu: Whether mmcv's operator runs on the CPU as well: slower, and equal to other
            code that uses it to the last bits. Rounding alone moves the boxes of a stack of such
            layers with arbitrary weights by pixels, so comparisons of that kind need it.
        **kwargs: Arguments of mmcv's ``ModulatedDeformConv2dPack``.

    Note:
        It takes mmcv's place under the name ``'DCNv2'``, as `DCN` does.
    """

    def __init__(self, *args: object, operator_on_cpu: bool = False, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.operator_on_cpu = operator_on_cpu

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) with offsets and masks predicted from the map itself."""
        if self.operator_on_cpu or not _runs_sampled(self, x):
            return super().forward(x)
        *offset, mask = self.conv_offset(x).chunk(3, dim=1)
        return sampled_deform_conv2d(
            x,
            torch.cat(offset, dim=1),
            self.weight,
            mask=mask.sigmoid(),
            bias=self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )
