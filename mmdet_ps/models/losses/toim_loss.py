"""Triplet-aided online instance matching (arXiv 2109.00211, section III-C).

Shapes: M people (or positive points) in the batch, D embedding size.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmdet.models import LOSSES, build_loss
from torch import Tensor, nn

from mmdet_ps.core.dist import gather_rows, gather_rows_with_grad
from mmdet_ps.models.memories import Prototypes

from .oim_loss import OIMLoss


class People(NamedTuple):
    """The people of a batch as one branch sees them, and what it knew before it saw them.

    Attributes:
        feats: (M, D) float32 of all processes, L2-normalised, with the gradient path to this
            process's own.
        pids: (M,) int64, -1 for people without identity.
        prototypes: Of the memory before it took these people in.
    """

    feats: Tensor
    pids: Tensor
    prototypes: Prototypes


@LOSSES.register_module()
class TOIMLoss(nn.Module):
    """OIM, and a triplet loss whose candidates are the batch and its identities' prototypes.

    On several processes features and pids are gathered once, for the triplet loss, the memory and
    whoever compares branches. OIM is summed locally over a global count, and the triplet loss is
    global: triplets across processes count as they would on one.

    Args:
        oim: Arguments of `OIMLoss`.
        triplet: Config of `TripletLoss`; None for OIM alone.
        use_lut: Whether the table rows of the batch's identities join the triplet's candidates
            (X_m = {x_m1 .. x_mS, v_m}). Rows that no feature has touched yet are left out.
    """

    def __init__(self, oim: dict, triplet: dict | None = None, use_lut: bool = True) -> None:
        super().__init__()
        self.oim = OIMLoss(**oim)
        self.triplet = None if triplet is None else build_loss(dict(type='TripletLoss') | triplet)
        self.use_lut = use_lut

    def forward(self, feats: Tensor, pids: Tensor) -> dict[str, Tensor]:
        """Compute both losses against the memory before this batch, then update it in training.

        Args:
            feats: (M, D) of this process; normalised here, in float32, not by the caller.
            pids: (M,) int64, -1 for people without identity.

        Returns:
            ``loss_oim`` and, with a triplet loss, ``loss_tri``: scalars, 0 with a gradient path
            where there is nothing to compare.
        """
        return self.losses_and_people(feats, pids)[0]

    def losses_and_people(self, feats: Tensor, pids: Tensor) -> tuple[dict[str, Tensor], People]:
        """Do what `forward` does, and give the people of all processes as well."""
        with torch.autocast(feats.device.type, enabled=False):
            feats = F.normalize(feats.float())
            prototypes = self.oim.memory.prototypes()
            people = People(gather_rows_with_grad(feats), gather_rows(pids), prototypes)
            losses = dict(loss_oim=self.oim(feats, pids, prototypes))
            if self.triplet is not None:
                losses['loss_tri'] = self.triplet(*self._candidates(people))
        if self.training:
            self.oim.memory.update(people.feats, people.pids)
        return losses, people

    def _candidates(self, people: People) -> tuple[Tensor, Tensor]:
        """Give the features and pids among which triplets are formed."""
        feats, pids, prototypes = people
        if self.use_lut:
            present = pids[pids >= 0].unique()
            present = present[self.oim.memory.touched[present]]
            feats = torch.cat((feats, prototypes.table[present].to(feats.dtype)))
            pids = torch.cat((pids, present))
        return feats, pids
