"""Head of Norm-Aware Embedding (Chen et al., CVPR 2020).

Shapes: R RoIs, C4 and C5 channels of a RoI before and after res5, D embedding size.
"""

import math

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
        return self.split(torch.cat(parts, dim=1))

    def split(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Give the directions (R, D) and the rescaled lengths (R,) of embeddings (R, D)."""
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


@HEADS.register_module()
class PixelWiseNAEBBoxHead(NAEBBoxHead):
    """NAE+: class and embedding of every cell of a RoI, so that background in it weighs little.

    Both maps are projected cell by cell (1 x 1 convolutions; that of C4 is brought to the size of
    C5's afterwards). A cell's score is the sigmoid of its rescaled length; it learns which share
    of the cell the RoI's person covers. The embedding of the RoI is the mean of the cells' unit
    embeddings times their scores, normalised, and its score is the mean of theirs. Boxes are
    regressed from average-pooled res5. Takes the arguments of `NAEBBoxHead`.

    Note:
        The authors' code draws the person's box as a mask of whole pixels of the RoI and shrinks
        that to the cells; here the share is computed exactly. It compares RoIs of the background
        with the first person of the picture; here all their cells are background. It divides the
        scores of a picture by the largest of them in a test, which makes scores of different
        pictures incomparable; here they stay.
    """

    def forward(self, c4_maps: Tensor, c5_maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Describe RoIs, in float32; see `SearchBBoxHead`. Scores are one logit a cell, (R, K)."""
        with torch.autocast(c5_maps.device.type, enabled=False):
            maps = [
                self._project(project, part.float())
                for project, part in zip(
                    self.embedding_head.projectors, (c4_maps, c5_maps), strict=True
                )
            ]
            if len(maps[0]):
                maps[0] = F.interpolate(maps[0], maps[1].shape[2:], mode='bilinear')
            else:
                maps[0] = maps[0].new_zeros(0, maps[0].shape[1], *maps[1].shape[2:])
            cells = torch.cat(maps, dim=1).flatten(2).transpose(1, 2)
            units, logits = self.embedding_head.split(cells.flatten(0, 1))
            units, logits = units.view_as(cells), logits.view(cells.shape[:2])
            embeddings = F.normalize((units * logits.sigmoid()[..., None]).mean(dim=1))
            return logits, self.fc_reg(c5_maps.float().mean(dim=(2, 3))), embeddings

    @staticmethod
    def _project(project: nn.Module, maps: Tensor) -> Tensor:
        """Apply a projection of vectors to every cell of maps (R, C, h, w)."""
        r, _, h, w = maps.shape
        rows = project(maps.permute(0, 2, 3, 1).flatten(0, 2))
        return rows.view(r, h, w, rows.shape[1]).permute(0, 3, 1, 2)

    def scores(self, cls_score: Tensor) -> Tensor:
        """Average the cells' scores; see `SearchBBoxHead`."""
        return cls_score.sigmoid().mean(dim=1)

    def loss(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        rois: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        bbox_targets: Tensor,
        bbox_weights: Tensor,
    ) -> dict[str, Tensor]:
        """Compute the detection losses.

        Args:
            cls_score: (R, K) logits of the K cells, rows of cells one after the other.
            bbox_pred: (R, 4).
            rois: (R, 5).
            labels: (R,) int64, 0 = person.
            label_weights: (R,).
            bbox_targets: (R, 4), deltas to the person of each positive RoI.
            bbox_weights: (R, 4).

        Returns:
            ``loss_cls``, the mean over the cells of RoIs of weight above 0, and ``loss_bbox``; each
            0 with a gradient path where there is none.
        """
        side = math.isqrt(cls_score.shape[1])
        covered = torch.zeros_like(cls_score)
        person = labels == 0
        boxes = rois[person, 1:]
        people = self.bbox_coder.decode(boxes, bbox_targets[person])
        covered[person] = cell_coverage(boxes, people, side).flatten(1)
        weights = label_weights[:, None].expand_as(covered)
        count = weights.sum().clamp(min=1)
        loss_cls = self.loss_cls(cls_score, covered, weights, avg_factor=count)
        boxes_loss = super(SearchBBoxHead, self).loss(
            None, bbox_pred, rois, labels, label_weights, bbox_targets, bbox_weights
        )
        return dict(loss_cls=loss_cls, loss_bbox=boxes_loss['loss_bbox'])


def cell_coverage(rois: Tensor, people: Tensor, side: int) -> Tensor:
    """Compute which share of each cell of a RoI a person's box covers.

    Args:
        rois: (R, 4) xyxy, each cut evenly into ``side`` x ``side`` cells.
        people: (R, 4) xyxy, a person a RoI.
        side: Cells in a row.

    Returns:
        (R, side, side), 0 to 1, from the top left; 0 for a RoI without area.
    """
    edges = torch.linspace(0, 1, side + 1, device=rois.device, dtype=rois.dtype)
    shares = []
    for low, high in ((1, 3), (0, 2)):  # rows, then columns
        start, size = rois[:, low, None], (rois[:, high] - rois[:, low])[:, None]
        lines = start + edges * size
        first = torch.maximum(lines[:, :-1], people[:, low, None])
        last = torch.minimum(lines[:, 1:], people[:, high, None])
        shares.append((last - first).clamp(min=0) / (size / side).clamp(min=1e-6))
    rows, columns = shares
    return (rows[:, :, None] * columns[:, None]).clamp(max=1)
