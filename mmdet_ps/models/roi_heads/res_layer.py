"""A ResNet stage that runs on RoIs."""

from mmdet.models import SHARED_HEADS
from mmdet.models.backbones import ResNet
from mmdet.models.roi_heads.shared_heads import ResLayer
from mmdet.models.utils import ResLayer as Blocks


@SHARED_HEADS.register_module()
class RoIResLayer(ResLayer):
    """mmdet's shared ``ResLayer``, also for the narrower ResNets that mmdet's cannot follow.

    Args:
        depth: Of the ResNet.
        base_channels: The ResNet's, 64 in the standard ones.
        stage: Which stage, from 0; 3 is res5.
        stride: Of its first block.
        style: Where that stride sits, ``'pytorch'`` (3 x 3) or ``'caffe'`` (first 1 x 1).
        norm_cfg: Of its normalisation layers.
        **kwargs: Further arguments of mmdet's ``ResLayer``.
    """

    def __init__(
        self,
        depth: int,
        base_channels: int = 64,
        stage: int = 3,
        stride: int = 2,
        style: str = 'pytorch',
        norm_cfg: dict | None = None,
        **kwargs: object,
    ) -> None:
        norm_cfg = norm_cfg or dict(type='BN', requires_grad=True)
        super().__init__(
            depth, stage=stage, stride=stride, style=style, norm_cfg=norm_cfg, **kwargs
        )
        if base_channels != 64:
            block, stage_blocks = ResNet.arch_settings[depth]
            blocks = Blocks(
                block,
                base_channels * 2 ** (stage - 1) * block.expansion,
                base_channels * 2**stage,
                stage_blocks[stage],
                stride=stride,
                style=style,
                norm_cfg=norm_cfg,
            )
            setattr(self, f'layer{stage + 1}', blocks)

    def train(self, mode: bool = True) -> 'RoIResLayer':
        """Switch the mode; mmdet's method gives nothing back."""
        super().train(mode)
        return self
