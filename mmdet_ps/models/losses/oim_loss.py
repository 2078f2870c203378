"""Online instance matching loss (Xiao et al., CVPR 2017), with the focal factor of HOIM.

Shapes: M people (or positive points) in the batch, D embedding size, P identities (table rows),
Q queue length.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_ps.core.dist import mean_over_processes
from mmdet_ps.models.memories import IdentityMemory, Prototypes

AVERAGES = ('labelled', 'all')


class OIMLoss(nn.Module):
    """Cross entropy between features and identity prototypes, the queue as further classes.

    A part of `TOIMLoss`, which heads are given; it owns the memory, and its owner updates it.

    On several processes each computes the loss of its own people; sums are divided by the global
    count, so that DistributedDataParallel's mean equals one process with the whole batch.

    Args:
        num_pids: P, the training identities 0 .. P - 1.
        queue_size: Q, length of the queue of people without identity.
        feat_channels: D.
        temperature: Divides similarities with the table (1 / temperature is the logit scale).
        queue_temperature: The same for the queue; the table's by default.
        momentum: Share of the old prototype that an update keeps.
        normalize_table: Whether prototypes are normalised after each update.
        focal_gamma: Exponent of the factor (1 - p) ** gamma (HOIM, Chen et al., AAAI 2020), 0 or
            more; 0 is plain cross entropy.
        average: What the sum is divided by: the people with identity (``'labelled'``) or all
            people (``'all'``).
        loss_weight: Factor of the loss.
    """

    def __init__(
        self,
        num_pids: int,
        queue_size: int,
        feat_channels: int = 256,
        temperature: float = 0.1,
        queue_temperature: float | None = None,
        momentum: float = 0.5,
        normalize_table: bool = True,
        focal_gamma: float = 2.0,
        average: str = 'labelled',
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if average not in AVERAGES:
            raise ValueError(f'average={average!r} of OIMLoss: allowed are {", ".join(AVERAGES)}')
        if focal_gamma < 0:
            raise ValueError(f'focal_gamma={focal_gamma} of OIMLoss: allowed is 0 or more')
        self.num_pids = num_pids
        self.temperature = temperature
        self.queue_temperature = temperature if queue_temperature is None else queue_temperature
        self.focal_gamma = focal_gamma
        self.average = average
        self.loss_weight = loss_weight
        self.memory = IdentityMemory(num_pids, queue_size, feat_channels, momentum, normalize_table)

    def forward(self, feats: Tensor, pids: Tensor, prototypes: Prototypes) -> Tensor:
        """Compare people with what the memory holds.

        Args:
            feats: (M, D) float32, L2-normalised.
            pids: (M,) int64; rows with -1 carry no loss.
            prototypes: Of the memory before it takes these people in.

        Returns:
            Scalar; 0 with a gradient path when no row has a pid.

        Raises:
            ValueError: A pid that the table has no row for (checked on the CPU; on CUDA the device
                assertion of the cross entropy ends the run).
        """
        self._check_pids(pids)
        labelled = pids >= 0
        logits = torch.cat(
            (
                feats[labelled] @ prototypes.table.t() / self.temperature,
                feats[labelled] @ prototypes.queue.t() / self.queue_temperature,
            ),
            dim=1,
        )
        log_p = F.log_softmax(logits, dim=1).gather(1, pids[labelled][:, None]).squeeze(1)
        # At p = 1 an exponent below 1 has an infinite slope, which times log p = 0 is no number;
        # the loss itself is flat there.
        miss = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
        loss = -(miss**self.focal_gamma) * log_p
        counted = labelled if self.average == 'labelled' else torch.ones_like(labelled)
        count = mean_over_processes(counted.sum().float()).clamp(min=1 / 64)
        return self.loss_weight * loss.sum() / count

    def _check_pids(self, pids: Tensor) -> None:
        if pids.device.type == 'cpu' and len(pids) and pids.max() >= self.num_pids:
            raise ValueError(
                f'person_id {int(pids.max())} in the training set, but num_pids={self.num_pids}: '
                "set num_pids of the model's re-id loss to at least the largest person_id + 1"
            )
