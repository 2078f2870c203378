"""Mean features of the identities that both branches of ROI-AlignPS have seen in a batch.

Shapes: M and K features of the two branches, D_a and D_b their sizes, n identities in common.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .toim_loss import People


def common_identity_means(people_a: People, people_b: People) -> tuple[Tensor, Tensor]:
    """Average each branch's features of an identity over the batch, in float32.

    The people are those of all processes: every process gets the same means, with the gradient
    path to its own features.

    Args:
        people_a: Of one branch, M of them; those without identity take no part.
        people_b: Of the other, K of them.

    Returns:
        (n, D_a) and (n, D_b), L2-normalised, rows in ascending order of identity; n may be 0.
    """
    shared = people_a.pids[people_a.pids >= 0].unique()
    shared = shared[torch.isin(shared, people_b.pids)]
    return _means(people_a, shared), _means(people_b, shared)


def _means(people: People, wanted: Tensor) -> Tensor:
    with torch.autocast(people.feats.device.type, enabled=False):
        member = (people.pids == wanted[:, None]).to(people.feats.dtype)
        # The length of a mean does not matter after normalisation: the sum will do.
        return F.normalize(member @ people.feats)
