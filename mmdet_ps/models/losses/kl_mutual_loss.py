"""Mutual learning by class posteriors in ROI-AlignPS (arXiv 2109.00211, Eq. 8)."""

import torch
import torch.nn.functional as F
from mmdet.models import LOSSES
from torch import Tensor

from .mutual_loss import MutualLoss
from .oim_loss import OIMLoss


@LOSSES.register_module()
class KLMutualLoss(MutualLoss):
    """KL(p_b || p_a) + KL(p_a || p_b), averaged over the identities of the batch.

    p_a and p_b are the posteriors over the L identities of the table, each branch with its own
    table and temperature; the queue takes no part.

    Note:
        In each term the first distribution is a fixed target, as in Deep Mutual Learning (Zhang et
        al., CVPR 2018): each branch learns from the other, and none is pulled towards a wrong
        posterior by its own role as a teacher. The memories are those after this step's update.
    """

    name = 'loss_kl'

    def forward(self, feats_a: Tensor, feats_b: Tensor, oims: tuple[OIMLoss, OIMLoss]) -> Tensor:
        """Sum both directions and average over identities; see `MutualLoss`.

        Raises:
            ValueError: Tables of another length.
        """
        sizes = [oim.num_pids for oim in oims]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f'num_pids of the branches under KLMutualLoss: {sizes[0]} and {sizes[1]}; '
                'give both re-id losses the same'
            )
        with torch.autocast(feats_a.device.type, enabled=False):
            log_a, log_b = (
                F.log_softmax(oim.logits(feats)[:, : oim.num_pids], dim=1)
                for oim, feats in zip(oims, (feats_a, feats_b), strict=True)
            )
            both = _divergence(log_b.detach(), log_a) + _divergence(log_a.detach(), log_b)
        return self.loss_weight * both / max(len(feats_a), 1)


def _divergence(target: Tensor, log_p: Tensor) -> Tensor:
    """KL(target || p), summed over rows, of log probabilities (n, L)."""
    return F.kl_div(log_p, target, reduction='sum', log_target=True)
