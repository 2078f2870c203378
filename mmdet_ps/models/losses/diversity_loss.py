"""Diversity between the branches of ROI-AlignPS (arXiv 2109.00211, Eq. 9)."""

from mmdet.models import LOSSES
from torch import Tensor

from .mutual_loss import MutualLoss
from .oim_loss import OIMLoss


@LOSSES.register_module()
class DiversityLoss(MutualLoss):
    """Mean absolute cosine between the two features of an identity, 0 where orthogonal."""

    name = 'loss_dv'

    def forward(self, feats_a: Tensor, feats_b: Tensor, oims: tuple[OIMLoss, OIMLoss]) -> Tensor:
        """Average |cos| over identities; see `MutualLoss`.

        Raises:
            ValueError: Features of different sizes.
        """
        if feats_a.shape[1] != feats_b.shape[1]:
            raise ValueError(
                f'DiversityLoss compares features of {feats_a.shape[1]} and {feats_b.shape[1]} '
                'channels: give both branches the same feat_channels'
            )
        cosines = (feats_a * feats_b).sum(dim=1).abs()
        return self.loss_weight * cosines.sum() / max(len(cosines), 1)
