"""Diversity between the branches of ROI-AlignPS (arXiv 2109.00211, Eq. 9)."""

from mmdet.models import LOSSES
from torch import Tensor

from mmdet_ps.models.memories import Prototypes

from .mutual_loss import MutualLoss


@LOSSES.register_module()
class DiversityLoss(MutualLoss):
    """Mean cosine between the two features of an identity, -1 where they are opposite.

    Args:
        absolute: Whether the absolute value of each cosine is taken: features are then pushed to
            a right angle, and not beyond.
        **kwargs: Arguments of `MutualLoss`.

    Raises:
        ValueError: Features of different sizes.
    """

    name = 'loss_dv'

    def __init__(self, absolute: bool = False, **kwargs: object) -> None:
        super().__init__(**kwargs)
        size_a, size_b = self.feat_channels
        if size_a != size_b:
            raise ValueError(
                f'DiversityLoss between features of {size_a} and {size_b} channels: '
                'give both branches the same feat_channels'
            )
        self.absolute = absolute

    def forward(
        self, feats_a: Tensor, feats_b: Tensor, prototypes: tuple[Prototypes, Prototypes]
    ) -> Tensor:
        """Average over identities; see `MutualLoss`."""
        cosines = (feats_a * feats_b).sum(dim=1)
        cosines = cosines.abs() if self.absolute else cosines
        return self.loss_weight * cosines.sum() / max(len(cosines), 1)
