"""Diversity between the branches of ROI-AlignPS (arXiv 2109.00211, Eq. 9)."""

from mmdet.models import LOSSES
from torch import Tensor

from .mutual_loss import MutualLoss
from .oim_loss import OIMLoss


@LOSSES.register_module()
class DiversityLoss(MutualLoss):
    """Mean absolute cosine between the two features of an identity, 0 where orthogonal.

    Args:
        **kwargs: Arguments of `MutualLoss`.

    Raises:
        ValueError: Features of different sizes.
    """

    name = 'loss_dv'

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        size_a, size_b = self.feat_channels
        if size_a != size_b:
            raise ValueError(
                f'DiversityLoss between features of {size_a} and {size_b} channels: '
                'give both branches the same feat_channels'
            )

    def forward(self, feats_a: Tensor, feats_b: Tensor, oims: tuple[OIMLoss, OIMLoss]) -> Tensor:
        """Average |cos| over identities; see `MutualLoss`."""
        cosines = (feats_a * feats_b).sum(dim=1).abs()
        return self.loss_weight * cosines.sum() / max(len(cosines), 1)
