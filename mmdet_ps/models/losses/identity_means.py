"""Mean features of the identities that both branches of ROI-AlignPS have seen in a batch.

Shapes: M and K features of the two branches, D_a and D_b their sizes, n identities in common.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet_ps.core.dist import gather_rows, gather_rows_with_grad


def common_identity_means(
    feats_a: Tensor, pids_a: Tensor, feats_b: Tensor, pids_b: Tensor
) -> tuple[Tensor, Tensor]:
    """Average each branch's features of an identity over the batch, in float32.

    On several processes the batch is that of all of them: every process gets the same means, with
    the gradient path to its own features (`gather_rows_with_grad`).

    Args:
        feats_a: (M, D_a) of this process; normalised here.
        pids_a: (M,) int64, -1 for people without identity, who take no part.
        feats_b: (K, D_b) of this process; normalised here.
        pids_b: (K,) int64.

    Returns:
        (n, D_a) and (n, D_b), L2-normalised, rows in ascending order of identity; n may be 0.
    """
    everyone_a, everyone_b = gather_rows(pids_a), gather_rows(pids_b)
    shared = everyone_a[everyone_a >= 0].unique()
    shared = shared[torch.isin(shared, everyone_b)]
    return (
        _means(feats_a, everyone_a, shared),
        _means(feats_b, everyone_b, shared),
    )


def _means(feats: Tensor, pids: Tensor, wanted: Tensor) -> Tensor:
    with torch.autocast(feats.device.type, enabled=False):
        feats = gather_rows_with_grad(F.normalize(feats.float()))
        member = (pids == wanted[:, None]).to(feats.dtype)
        # The length of a mean does not matter after normalisation: the sum will do.
        return F.normalize(member @ feats)
