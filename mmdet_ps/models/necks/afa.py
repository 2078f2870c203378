"""Aligned feature aggregation (arXiv 2109.00211, section III-B).

Shapes: N images; a level l has stride 2 ** l, so P3 is (N, out_channels, H / 8, W / 8).
"""

import torch
import torch.nn.functional as F
from mmcv.cnn import build_conv_layer, constant_init
from mmcv.runner import BaseModule
from mmdet.models import NECKS
from torch import Tensor, nn

LATERALS = {
    'dcn': (dict(type='DCN'), 3),
    'conv3x3': (dict(type='Conv2d'), 3),
    'conv1x1': (dict(type='Conv2d'), 1),
}
OUTPUTS = {key: LATERALS[key] for key in ('dcn', 'conv3x3')}
FUSIONS = ('concat', 'sum')


def _chosen(kind: str, table: dict, name: str) -> tuple[dict, int]:
    if kind not in table:
        raise ValueError(f'{name}={kind!r} of AFA: allowed are {", ".join(table)}')
    return table[kind]


@NECKS.register_module()
class AFA(BaseModule):
    """Top-down feature pyramid whose maps are aligned with what they describe.

    Three changes to FPN (Lin et al., CVPR 2017), each an argument: deformable lateral convolutions,
    deformable output convolutions, and concatenation in place of the sum. One output level serves
    people of all sizes (scale alignment); only the levels asked for are computed.

    Args:
        in_channels: Channels of C3, C4, ... as the backbone gives them.
        out_channels: Channels of each output level; the embedding size in re-id first models.
        lateral: ``'dcn'`` (3 x 3 deformable), ``'conv3x3'``, or FPN's ``'conv1x1'``.
        output: ``'dcn'`` (3 x 3 deformable) or FPN's ``'conv3x3'``.
        fusion: ``'concat'`` (a map and the upsampled coarser one side by side) or FPN's ``'sum'``.
        out_levels: Levels to give, ascending, e.g. ``(3,)`` or ``(3, 4, 5, 6, 7)``. Those beyond
            the backbone's come from stride-2 convolutions on the coarsest, as in FCOS.
        init_cfg: mmcv's initialisation config.
    """

    def __init__(
        self,
        in_channels: tuple[int, ...] = (512, 1024, 2048),
        out_channels: int = 256,
        lateral: str = 'dcn',
        output: str = 'dcn',
        fusion: str = 'concat',
        out_levels: tuple[int, ...] = (3,),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='Xavier', layer='Conv2d', distribution='uniform'))
        if fusion not in FUSIONS:
            raise ValueError(f'fusion={fusion!r} of AFA: allowed are {", ".join(FUSIONS)}')
        if list(out_levels) != sorted(set(out_levels)) or not out_levels or out_levels[0] < 3:
            raise ValueError(f'out_levels={out_levels} of AFA: ascending levels from 3 on')
        lateral_cfg, lateral_size = _chosen(lateral, LATERALS, 'lateral')
        output_cfg, output_size = _chosen(output, OUTPUTS, 'output')
        self.fusion = fusion
        self.num_ins = len(in_channels)
        self.out_levels = tuple(level - 3 for level in out_levels)
        self.lateral_convs = nn.ModuleList()
        self.fpn_convs = nn.ModuleDict()
        finest = min(self.out_levels[0], self.num_ins - 1)
        for level, channels in enumerate(in_channels):
            if level < finest:
                self.lateral_convs.append(nn.Identity())
                continue
            self.lateral_convs.append(
                build_conv_layer(
                    lateral_cfg, channels, out_channels, lateral_size, padding=lateral_size // 2
                )
            )
        # The coarsest backbone level is also where the extra levels start from.
        beyond = self.out_levels[-1] - (self.num_ins - 1)
        needed = {min(level, self.num_ins - 1) for level in self.out_levels}
        if beyond > 0:
            needed.add(self.num_ins - 1)
        for level in sorted(needed):
            maps = self.num_ins - level if fusion == 'concat' else 1
            self.fpn_convs[str(level)] = build_conv_layer(
                output_cfg, maps * out_channels, out_channels, output_size, padding=1
            )
        self.extra_convs = nn.ModuleList(
            nn.Conv2d(out_channels, out_channels, 3, stride=2, padding=1)
            for _ in range(max(beyond, 0))
        )

    def init_weights(self) -> None:
        """Initialise, and start each deformable layer as a plain convolution.

        ``init_cfg`` of Conv2d reaches the offset convolutions too, which must begin at zero.
        """
        super().init_weights()
        for module in self.modules():
            if hasattr(module, 'conv_offset'):
                constant_init(module.conv_offset, 0)

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Fuse C3, C4, ... top-down.

        Args:
            inputs: Maps of the backbone, finest first.

        Returns:
            One (N, out_channels, H_l, W_l) map a level of ``out_levels``.
        """
        if len(inputs) != self.num_ins:
            raise ValueError(
                f'AFA got {len(inputs)} maps for {self.num_ins} in_channels: '
                'out_indices of the backbone and in_channels of the neck must agree'
            )
        outs: dict[int, Tensor] = {}
        merged = None
        for level in reversed(range(self.num_ins)):
            if level < self.out_levels[0] and merged is not None:
                break
            lateral = self.lateral_convs[level](inputs[level])
            if merged is not None:
                coarser = F.interpolate(merged, size=lateral.shape[2:], mode='nearest')
                if self.fusion == 'concat':
                    lateral = torch.cat((lateral, coarser), dim=1)
                else:
                    lateral = lateral + coarser
            merged = lateral
            if str(level) in self.fpn_convs:
                outs[level] = self.fpn_convs[str(level)](merged)
        top = outs.get(self.num_ins - 1)
        for extra, conv in enumerate(self.extra_convs):
            top = conv(top if extra == 0 else F.relu(top))
            outs[self.num_ins + extra] = top
        return tuple(outs[level] for level in self.out_levels)
