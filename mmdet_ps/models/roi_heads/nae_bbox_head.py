"""Head of Norm-Aware Embedding (Chen et al., CVPR 2020).

Shapes: R RoIs, C4 and C5 channels of a RoI before and after res5, D embedding size.
"""

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from mmdet.models import HEADS
from torch import Tensor, nn

from mmdet_ps.models.layers import SmallBatchNorm1d

from .search_bbox_head import SearchBBoxHead


class NormAwareEmbedding(BaseModule):
    """Embedding whose direction is the person and whose length says whether there is one.

    Args:
        in_channels: Channels of each feature that is projected.
        feat_channels: D, shared evenly by the projections.
        projector_std: Standard deviation, around 0, of the scales of the projections'
            normalisation at the start (NAE's code: 0.01); None for scales of 1.
    """

    def __init__(
        self,
        in_channels: tuple[int, ...],
        feat_channels: int,
        projector_std: float | None = 0.01,
    ) -> None:
        super().__init__(dict(type='Normal', layer='Linear', std=0.01))
        if feat_channels % len(in_channels):
            raise ValueError(
                f'feat_channels={feat_channels} of NormAwareEmbedding: '
                f'a multiple of the {len(in_channels)} projected features is needed'
            )
        size = feat_channels // len(in_channels)
        self.projectors = nn.ModuleList(
            nn.Sequential(nn.Linear(channels, size), SmallBatchNorm1d(size))
            for channels in in_channels
        )
        if projector_std is not None:
            for _, norm in self.projectors:
                nn.init.normal_(norm.weight, std=projector_std)
        self.rescaler = SmallBatchNorm1d(1)

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Project, concatenate, and split length from direction.

        Args:
            feats: One (R, in_channels[i]) a projection.

        Returns:
            Unit embeddings (R, D) and class logits (R,), the rescaled lengths.
        """
        parts = [project(feat) for project, feat in zip(self.projectors, feats, strict=True)]
        embeddings = torch.cat(parts, dim=1)
        lengths = embeddings.norm(dim=1, keepdim=True)
        return F.normalize(embeddings), self.rescaler(lengths).squeeze(1)


@HEADS.register_module()
class NAEBBoxHead(SearchBBoxHead):
    """Box regression from max-pooled res5, class and embedding from the norm-aware embedding.

    Args:
        loss_reid: See `SearchBBoxHead`.
        in_channels: C5.
        c4_channels: C4.
        feat_channels: D.
        projector_std: See `NormAwareEmbedding`.
        **kwargs: Arguments of mmdet's ``BBoxHead``.
    """

    def __init__(
        self,
        loss_reid: dict,
        in_channels: int = 2048,
        c4_channels: int = 1024,
        feat_channels: int = 256,
        projector_std: float | None = 0.01,
        **kwargs: object,
    ) -> None:
        kwargs = dict(init_cfg=dict(type='Normal', layer='Linear', std=0.01)) | kwargs
        super().__init__(loss_reid, in_channels=in_channels, with_cls=False, **kwargs)
        norm = SmallBatchNorm1d(self.fc_reg.out_features)
        # A normalised output starts with unit spread; boxes should start as the proposals are.
        nn.init.constant_(norm.weight, 0.01)
        self.fc_reg = nn.Sequential(self.fc_reg, norm)
        self.embedding_head = NormAwareEmbedding(
            (c4_channels, in_channels), feat_channels, projector_std
        )

    def forward(self, c4_maps: Tensor, c5_maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Describe RoIs, in float32; see `SearchBBoxHead`. Scores are one logit a RoI."""
        with torch.autocast(c5_maps.device.type, enabled=False):
            # The maximum over positions, unlike max pooling, also takes a batch without RoIs.
            c4, c5 = (maps.float().amax(dim=(2, 3)) for maps in (c4_maps, c5_maps))
            embeddings, logits = self.embedding_head((c4, c5))
            return logits[:, None], self.fc_reg(c5), embeddings
