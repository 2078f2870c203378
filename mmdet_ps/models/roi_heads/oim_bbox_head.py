"""Head of the detector that came with online instance matching (Xiao et al., CVPR 2017, 3.1)."""

import torch
import torch.nn.functional as F
from mmdet.models import HEADS
from torch import Tensor, nn

from .search_bbox_head import SearchBBoxHead


@HEADS.register_module()
class OIMBBoxHead(SearchBBoxHead):
    """Class, box and embedding, a linear layer each, from average-pooled res5.

    Without a re-id loss it is the box head of Faster R-CNN on C4.

    Args:
        loss_reid: See `SearchBBoxHead`.
        in_channels: C5.
        feat_channels: D.
        **kwargs: Arguments of mmdet's ``BBoxHead``.
    """

    def __init__(
        self,
        loss_reid: dict | None,
        in_channels: int = 2048,
        feat_channels: int = 256,
        **kwargs: object,
    ) -> None:
        super().__init__(loss_reid, in_channels=in_channels, **kwargs)
        self.fc_reid = None if loss_reid is None else nn.Linear(in_channels, feat_channels)
        if self.fc_reid and not kwargs.get('init_cfg'):
            self.init_cfg += [dict(type='Normal', std=0.01, override=dict(name='fc_reid'))]

    def forward(self, c4_maps: Tensor, c5_maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Describe RoIs, in float32; see `SearchBBoxHead`. Scores are logits of two classes."""
        with torch.autocast(c5_maps.device.type, enabled=False):
            pooled = c5_maps.float().mean(dim=(2, 3))
            reid = self.fc_reid(pooled) if self.fc_reid else pooled[:, :0]
            embeddings = F.normalize(reid)
            return self.fc_cls(pooled), self.fc_reg(pooled), embeddings
