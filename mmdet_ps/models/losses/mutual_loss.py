"""What the losses between the two branches of ROI-AlignPS have in common."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from .oim_loss import OIMLoss


class MutualLoss(nn.Module, ABC):
    """A loss between the mean features that two branches have of the same identities.

    Its inputs are the same on every process (`common_identity_means`), so that each computes the
    loss of the whole batch.

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

    @abstractmethod
    def forward(self, feats_a: Tensor, feats_b: Tensor, oims: tuple[OIMLoss, OIMLoss]) -> Tensor:
        """Compare the branches.

        Args:
            feats_a: (n, D_a), L2-normalised, a row an identity.
            feats_b: (n, D_b), L2-normalised, rows of the same identities.
            oims: Each branch's OIM loss, which owns its memory.

        Returns:
            Scalar; 0 with a gradient path where there is nothing to compare.
        """

    def before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Prepare the optimizer step that follows a training step; most losses need nothing."""
