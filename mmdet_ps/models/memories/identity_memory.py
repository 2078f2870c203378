"""Lookup table and circular queue of online instance matching (Xiao et al., CVPR 2017, 3.2).

Shapes: M features in the batch, D embedding size, P identities (table rows), Q queue length.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Prototypes(NamedTuple):
    """What a memory held at some time, copied.

    Attributes:
        table: (P, D), a row an identity.
        queue: (Q, D), people without identity.
    """

    table: Tensor
    queue: Tensor


class IdentityMemory(nn.Module):
    """One prototype per identity, and the latest features of people without identity.

    Args:
        num_pids: P; identities are 0 .. P - 1.
        queue_size: Q; 0 for a memory without queue.
        feat_channels: D.
        momentum: Share of the old prototype that an update keeps.
        normalize: Whether each update ends with L2 normalisation of the prototype.
    """

    table: Tensor
    queue: Tensor
    pointer: Tensor
    touched: Tensor

    def __init__(
        self,
        num_pids: int,
        queue_size: int,
        feat_channels: int = 256,
        momentum: float = 0.5,
        normalize: bool = True,
    ) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise ValueError(f'momentum={momentum} of the identity memory: allowed is 0 to 1')
        self.num_pids = num_pids
        self.queue_size = queue_size
        self.momentum = momentum
        self.normalize = normalize
        self.register_buffer('table', torch.zeros(num_pids, feat_channels))
        self.register_buffer('queue', torch.zeros(queue_size, feat_channels))
        self.register_buffer('pointer', torch.zeros((), dtype=torch.long))
        self.register_buffer('touched', torch.zeros(num_pids, dtype=torch.bool))

    def prototypes(self) -> Prototypes:
        """Copy table and queue: what follows may be updated, what autograd reads may not."""
        return Prototypes(self.table.clone(), self.queue.clone())

    @torch.no_grad()
    def update(self, feats: Tensor, pids: Tensor) -> None:
        """Take the features of a batch in, each in its turn.

        With several processes that is the batch of all of them, in order of rank, so that every
        process holds the same memory.

        For a feature x of identity i, v_i <- momentum v_i + (1 - momentum) x, then normalised
        (unless switched off). Features of people without identity replace the oldest in the queue.

        Args:
            feats: (M, D), L2-normalised.
            pids: (M,) int64, negative for people without identity.
        """
        feats = feats.detach().to(self.table.dtype)
        labelled = pids >= 0
        self._update_table(feats[labelled], pids[labelled])
        self._update_queue(feats[~labelled])

    def _update_table(self, feats: Tensor, pids: Tensor) -> None:
        """Fold the features of each identity into its row in their order of arrival."""
        if len(pids) == 0:
            return
        order = pids.argsort(stable=True)
        present, counts = pids[order].unique_consecutive(return_counts=True)
        person = torch.arange(len(present), device=pids.device).repeat_interleave(counts)
        turn = torch.arange(len(pids), device=pids.device) - (counts.cumsum(0) - counts)[person]
        # A normalised prototype is no linear function of the features before the last one, so the
        # k-th features of all identities are taken in together: as many rounds as the identity
        # seen most often has features.
        rounds = len(turn.bincount())
        steps = feats.new_zeros(rounds, len(present), feats.shape[1])
        steps[turn, person] = feats[order]
        has_step = torch.zeros(steps.shape[:2], dtype=torch.bool, device=feats.device)
        has_step[turn, person] = True
        rows = self.table[present]
        for step, has in zip(steps, has_step[..., None], strict=True):
            moved = self.momentum * rows + (1 - self.momentum) * step
            rows = torch.where(has, F.normalize(moved) if self.normalize else moved, rows)
        self.table[present] = rows
        self.touched[present] = True

    def _update_queue(self, feats: Tensor) -> None:
        """Write whole features behind the newest ones, round and round."""
        if self.queue_size == 0:
            return
        count = len(feats)
        kept = min(count, self.queue_size)
        slots = torch.arange(count - kept, count, device=feats.device)
        self.queue[(self.pointer + slots) % self.queue_size] = feats[count - kept :]
        self.pointer.copy_((self.pointer + count) % self.queue_size)
