"""Batch normalisation of feature rows that holds for small batches."""

import torch.nn.functional as F
from torch import Tensor, nn


class SmallBatchNorm1d(nn.BatchNorm1d):
    """``BatchNorm1d`` that falls back to its running statistics where a batch has none.

    One row has no variance, and plain ``BatchNorm1d`` refuses it in training. Here such a batch is
    normalised as in a test, and leaves the running statistics alone.
    """

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise (M, C); M may be 0 or 1 in training."""
        if not self.training or len(rows) > 1:
            return super().forward(rows)
        return F.batch_norm(
            rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )
