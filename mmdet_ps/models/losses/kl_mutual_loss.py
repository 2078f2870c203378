"""Mutual learning by class posteriors in ROI-AlignPS (arXiv 2109.00211, Eq. 8)."""

import torch
import torch.nn.functional as F
from mmdet.models import LOSSES
from torch import Tensor

from mmdet_ps.models.memories import Prototypes

from .mutual_loss import MutualLoss

# Which branch (0 AlignPS, 1 RoI-Align) is the fixed target of which.
DIRECTIONS = dict(
    alignps_to_roi=[(0, 1)],
    roi_to_alignps=[(1, 0)],
    both=[(0, 1), (1, 0)],
)


@LOSSES.register_module()
class KLMutualLoss(MutualLoss):
    """Sum of p^A log(p^A / p^R) over the L identities, averaged over the identities of the batch.

    p^A and p^R are those of Eq. 1: each branch against its own table and queue, as its memory was
    before this step took the same people in, with one temperature for both.

    Args:
        temperature: tau of Eq. 1, of both branches, for table and queue.
        direction: ``'alignps_to_roi'`` is Eq. 8, KL(p^A || p^R); ``'roi_to_alignps'`` is
            KL(p^R || p^A); ``'both'`` is their sum.
        **kwargs: Arguments of `MutualLoss`.

    Note:
        The first distribution of each divergence is detached: it is the target, as in Deep Mutual
        Learning (Zhang et al., CVPR 2018), and the other branch learns from it. No table and no
        queue gets a gradient.

        Eq. 8 sums over identities alone. The queues are in the denominators of Eq. 1 but are no
        classes of the sum: what stands in a place of one branch's queue is somebody else in the
        other's. So each p sums to less than 1, and the loss can be below 0, never below -1 / e,
        where the taught branch gives the queue less than the target does. Were the target not
        detached, its mass would be drawn towards 1 / e, away from the identities.
    """

    name = 'loss_kl'

    def __init__(
        self, temperature: float = 0.1, direction: str = 'alignps_to_roi', **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        if temperature <= 0:
            raise ValueError(f'temperature={temperature} of KLMutualLoss: allowed is above 0')
        if direction not in DIRECTIONS:
            raise ValueError(
                f'direction={direction!r} of KLMutualLoss: allowed are {", ".join(DIRECTIONS)}'
            )
        self.temperature = temperature
        self.direction = direction

    def forward(
        self, feats_a: Tensor, feats_b: Tensor, prototypes: tuple[Prototypes, Prototypes]
    ) -> Tensor:
        """Average over identities; see `MutualLoss`.

        Raises:
            ValueError: Tables of another length.
        """
        sizes = [len(known.table) for known in prototypes]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f'num_pids of the branches under KLMutualLoss: {sizes[0]} and {sizes[1]}; '
                'give both re-id losses the same'
            )
        with torch.autocast(feats_a.device.type, enabled=False):
            log_p = [
                self._log_posteriors(feats, known)
                for feats, known in zip((feats_a, feats_b), prototypes, strict=True)
            ]
            loss = sum(
                F.kl_div(log_p[taught], log_p[target].detach(), reduction='sum', log_target=True)
                for target, taught in DIRECTIONS[self.direction]
            )
            # The empty sum keeps the gradient path of a branch that is target alone.
            loss = loss + 0 * (feats_a.sum() + feats_b.sum())
        return self.loss_weight * loss / max(len(feats_a), 1)

    def _log_posteriors(self, feats: Tensor, known: Prototypes) -> Tensor:
        """Give log p of Eq. 1 for each identity, (n, L)."""
        logits = feats @ torch.cat(known).t() / self.temperature
        return F.log_softmax(logits, dim=1)[:, : len(known.table)]
