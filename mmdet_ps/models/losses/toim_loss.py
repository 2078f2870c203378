"""Triplet-aided online instance matching (arXiv 2109.00211, section III-C).

Shapes: M people (or positive points) in the batch, D embedding size.
"""

import torch
import torch.nn.functional as F
from mmdet.models import LOSSES, build_loss
from torch import Tensor, nn

from mmdet_ps.core.dist import gather_rows, gather_rows_with_grad

from .oim_loss import OIMLoss


def check_pids_given(gt_pids: list[Tensor] | None) -> None:
    """Refuse to train a re-id loss without identities.

    Raises:
        KeyError: With the config key that cures it.
    """
    if gt_pids is None:
        raise KeyError(
            "the re-id loss needs gt_pids: name 'gt_pids' in the keys of Collect "
            'in the training pipeline'
        )


def named_reid_losses(loss_reid: nn.Module, feats: Tensor, pids: Tensor) -> dict[str, Tensor]:
    """Apply a head's re-id loss, `OIMLoss` or `TOIMLoss`; arguments as theirs."""
    losses = loss_reid(feats, pids)
    return losses if isinstance(losses, dict) else dict(loss_oim=losses)


def oim_of(loss_reid: nn.Module) -> OIMLoss:
    """Give the OIM loss, and with it the memory, of a head's re-id loss."""
    return loss_reid.oim if isinstance(loss_reid, TOIMLoss) else loss_reid


@LOSSES.register_module()
class TOIMLoss(nn.Module):
    """OIM, and a triplet loss whose candidates are the batch and its identities' prototypes.

    On several processes OIM is summed locally over a global count, and the triplet loss is global:
    features of all processes are gathered with their gradients, so triplets across processes count
    as they would on one.

    Args:
        oim: Config of `OIMLoss`.
        triplet: Config of `TripletLoss`; None for OIM alone.
        use_lut: Whether the table rows of the batch's identities join the triplet's candidates
            (X_m = {x_m1 .. x_mS, v_m}). Rows that no feature has touched yet are left out.
    """

    def __init__(self, oim: dict, triplet: dict | None = None, use_lut: bool = True) -> None:
        super().__init__()
        self.oim = build_loss(dict(type='OIMLoss') | oim)
        self.triplet = None if triplet is None else build_loss(dict(type='TripletLoss') | triplet)
        self.use_lut = use_lut

    def forward(self, feats: Tensor, pids: Tensor) -> dict[str, Tensor]:
        """Compute both losses against the memory before this batch, then update it in training.

        Args:
            feats: (M, D); normalised here, in float32, not by the caller.
            pids: (M,) int64, -1 for people without identity.

        Returns:
            ``loss_oim`` and, with a triplet loss, ``loss_tri``: scalars, 0 with a gradient path
            where there is nothing to compare.
        """
        losses = {}
        if self.triplet is not None:
            with torch.autocast(feats.device.type, enabled=False):
                losses['loss_tri'] = self._triplet_loss(F.normalize(feats.float()), pids)
        return dict(loss_oim=self.oim(feats, pids)) | losses

    def _triplet_loss(self, feats: Tensor, pids: Tensor) -> Tensor:
        feats, pids = gather_rows_with_grad(feats), gather_rows(pids)
        if self.use_lut:
            memory = self.oim.memory
            present = pids[pids >= 0].unique()
            present = present[memory.touched[present]]
            # Indexing copies the rows, so the update that follows does not reach them.
            feats = torch.cat((feats, memory.table[present].to(feats.dtype)))
            pids = torch.cat((pids, present))
        return self.triplet(feats, pids)
