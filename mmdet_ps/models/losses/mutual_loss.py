"""What the losses between the two branches of ROI-AlignPS have in common."""

from torch import nn


class MutualLoss(nn.Module):
    """A loss between the mean features that two branches have of the same identities.

    Its inputs are the same on every process (`common_identity_means`), so that each computes the
    loss of the whole batch. ``forward`` takes ``feats_a`` (n, D_a) and ``feats_b`` (n, D_b),
    L2-normalised, a row an identity, and ``prototypes``, what each branch's memory held before
    this step; it gives a scalar, 0 with a gradient path where there is nothing to compare.

    Args:
        feat_channels: D_a and D_b; `ROIAlignPS` fills in those of its branches.
        loss_weight: Factor of the loss.
    """

    name: str

    def __init__(
        self, feat_channels: tuple[int, int] = (256, 256), loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.feat_channels = feat_channels
        self.loss_weight = loss_weight
