"""Head of Norm-Aware Embedding (Chen et al., CVPR 2020).

Shapes: R RoIs, C4 and C5 channels of a RoI before and after res5, D embedding size.
"""

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from mmdet.core import multiclass_nms
from mmdet.models import HEADS, build_loss
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from torch import Tensor, nn

from mmdet_ps.models.layers import SmallBatchNorm1d


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
class NAEBBoxHead(BBoxHead):
    """Box regression from res5, class and re-id embedding from the norm-aware embedding.

    Args:
        in_channels: C5.
        c4_channels: C4.
        feat_channels: D.
        projector_std: See `NormAwareEmbedding`.
        loss_reid: Config of the loss on unit embeddings, `TOIMLoss`.
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
        super().__init__(
            with_cls=False, roi_feat_size=1, in_channels=in_channels, num_classes=1, **kwargs
        )
        norm = SmallBatchNorm1d(self.fc_reg.out_features)
        # A normalised output starts with unit spread; boxes should start as the proposals are.
        nn.init.constant_(norm.weight, 0.01)
        self.fc_reg = nn.Sequential(self.fc_reg, norm)
        self.embedding_head = NormAwareEmbedding(
            (c4_channels, in_channels), feat_channels, projector_std
        )
        self.loss_reid = build_loss(loss_reid)

    def forward(self, c4_feats: Tensor, c5_feats: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Describe max-pooled RoIs, in float32.

        Args:
            c4_feats: (R, C4).
            c5_feats: (R, C5).

        Returns:
            Class logits (R,), box deltas (R, 4), unit embeddings (R, D).
        """
        with torch.autocast(c5_feats.device.type, enabled=False):
            c4_feats, c5_feats = c4_feats.float(), c5_feats.float()
            embeddings, logits = self.embedding_head((c4_feats, c5_feats))
            return logits, self.fc_reg(c5_feats), embeddings

    def loss(
        self,
        logits: Tensor,
        deltas: Tensor,
        rois: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        bbox_targets: Tensor,
        bbox_weights: Tensor,
    ) -> dict[str, Tensor]:
        """Compute the detection losses.

        Args:
            logits: (R,).
            deltas: (R, 4).
            rois: (R, 5), image index and xyxy.
            labels: (R,) int64, 0 = person, 1 = background.
            label_weights: (R,).
            bbox_targets: (R, 4).
            bbox_weights: (R, 4).

        Returns:
            ``loss_cls`` over the RoIs of weight above 0 and ``loss_bbox`` over all RoIs; each 0
            with a gradient path where there is none.
        """
        count = label_weights.sum().clamp(min=1)
        loss_cls = self.loss_cls(logits[:, None], labels, label_weights, avg_factor=count)
        boxes = super().loss(None, deltas, rois, labels, label_weights, bbox_targets, bbox_weights)
        return dict(loss_cls=loss_cls, loss_bbox=boxes['loss_bbox'])

    def get_bboxes(
        self,
        rois: Tensor,
        logits: Tensor,
        deltas: Tensor,
        embeddings: Tensor,
        img_shape: tuple[int, ...],
        cfg: dict,
    ) -> tuple[Tensor, Tensor]:
        """Turn the predictions for an image into people.

        Args:
            rois: (R, 5), image index and xyxy.
            logits: (R,).
            deltas: (R, 4).
            embeddings: (R, D), unit length.
            img_shape: Height and width that boxes are clipped to.
            cfg: ``score_thr``, ``nms``, ``max_per_img``.

        Returns:
            (n, 5) xyxy and score in pixels of the resized image, best first, and their embeddings
            (n, D).
        """
        boxes = self.bbox_coder.decode(rois[:, 1:], deltas, max_shape=img_shape)
        dets, _, kept = multiclass_nms(
            boxes,
            # A column of the background class, which multiclass_nms drops.
            F.pad(logits.sigmoid()[:, None], (0, 1)),
            cfg['score_thr'],
            cfg['nms'],
            cfg['max_per_img'],
            return_inds=True,
        )
        return dets, embeddings[kept]
