"""Triplet loss over features with identities, the part of TOIM beside OIM.

Shapes: M features, D embedding size.
"""

import torch
import torch.nn.functional as F
from mmdet.models import LOSSES
from torch import Tensor, nn

MINING = ('all', 'hard')


def pairwise_distance(feats: Tensor) -> Tensor:
    """Euclidean distances of all pairs of rows, with a finite gradient where two rows are equal.

    Args:
        feats: (M, D).

    Returns:
        (M, M).
    """
    squares = feats.square().sum(dim=1)
    squared = squares[:, None] + squares - 2 * feats @ feats.t()
    return squared.clamp(min=1e-12).sqrt()


def _hinge_sums(positive: Tensor, negative: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Sum max(0, margin + positive - negative) over all pairs of each row, without making them.

    Args:
        positive: (M, S) distances, +inf where there is no pair.
        negative: (M, T) distances, +inf where there is no pair.
        margin: M of Eq. 3.

    Returns:
        Sums (M,) and numbers of pairs (M,).
    """
    is_positive, is_negative = positive.isfinite(), negative.isfinite()
    ordered = negative.sort(dim=1).values
    filled = torch.where(ordered.isfinite(), ordered, 0.0)
    cumulative = F.pad(filled.cumsum(dim=1), (1, 0))
    reach = torch.where(is_positive, positive + margin, 0.0)
    below = torch.searchsorted(ordered.detach(), reach.detach())
    hinge = reach * below - cumulative.gather(1, below)
    sums = torch.where(is_positive, hinge, 0.0).sum(dim=1)
    return sums, is_positive.sum(dim=1) * is_negative.sum(dim=1)


@LOSSES.register_module()
class TripletLoss(nn.Module):
    """Hinge on the distance to the same identity against the distance to others.

    Args:
        margin: M of Eq. 3.
        mining: ``'all'`` averages over all triplets (Eq. 3 of arXiv 2109.00211), ``'hard'`` takes
            each anchor's farthest positive and nearest negative (Hermans et al., 2017), as the
            authors' published models do.
        loss_weight: Factor of the loss.

    Note:
        Eq. 3 writes a sum over the triplets. Here it is their mean: the number of triplets grows
        with the third power of the people in a batch, and a sum would weigh a crowded batch
        thousands of times an empty one.
    """

    def __init__(self, margin: float = 0.3, mining: str = 'all', loss_weight: float = 1.0) -> None:
        super().__init__()
        if mining not in MINING:
            raise ValueError(f'mining={mining!r} of TripletLoss: allowed are {", ".join(MINING)}')
        self.margin = margin
        self.mining = mining
        self.loss_weight = loss_weight

    def forward(self, feats: Tensor, pids: Tensor) -> Tensor:
        """Average the hinge over triplets (all) or over anchors (hard).

        Args:
            feats: (M, D), L2-normalised, float32.
            pids: (M,) int64; rows with -1 take no part.

        Returns:
            Scalar; 0 with a gradient path when there is no triplet.
        """
        labelled = pids >= 0
        feats, pids = feats[labelled], pids[labelled]
        distance = pairwise_distance(feats)
        same = pids[:, None] == pids
        positive = same & ~torch.eye(len(pids), dtype=torch.bool, device=pids.device)
        if self.mining == 'all':
            sums, pairs = _hinge_sums(
                distance.masked_fill(~positive, torch.inf),
                distance.masked_fill(same, torch.inf),
                self.margin,
            )
            loss = sums.sum() / pairs.sum().clamp(min=1)
        elif len(pids) == 0:
            loss = distance.sum()
        else:
            farthest = distance.masked_fill(~positive, -torch.inf).amax(dim=1)
            nearest = distance.masked_fill(same, torch.inf).amin(dim=1)
            anchors = positive.any(dim=1)
            hinge = (self.margin + farthest[anchors] - nearest[anchors]).clamp(min=0)
            loss = hinge.sum() / anchors.sum().clamp(min=1)
        return self.loss_weight * loss
