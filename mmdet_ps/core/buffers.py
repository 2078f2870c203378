"""Buffers of a model (memories, batch norm, counters), kept in case a step has to be undone."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def all_finite(tensors: list[Tensor]) -> bool:
    """Whether all floating-point numbers are finite, with one wait for the device."""
    # A sum takes over what is not finite in any of its terms.
    sums = [tensor.sum(dtype=torch.float64) for tensor in tensors if tensor.is_floating_point()]
    return not sums or bool(torch.stack(sums).sum().isfinite())


class BufferSnapshot:
    """A copy of every buffer of a model, on its device.

    Args:
        model: Whose buffers stay the same tensors from now on.
    """

    def __init__(self, model: nn.Module) -> None:
        self.buffers = list(model.buffers())
        self.copies = [buffer.clone() for buffer in self.buffers]
        # A mask may hold infinities by design.
        self._watched = [buffer for buffer in self.buffers if all_finite([buffer])]

    def is_finite(self) -> bool:
        """Whether the buffers that were finite at the beginning are so now."""
        return all_finite(self._watched)

    @torch.no_grad()
    def take(self) -> None:
        """Copy the buffers."""
        for buffer, copy in zip(self.buffers, self.copies, strict=True):
            copy.copy_(buffer)

    @torch.no_grad()
    def restore(self) -> None:
        """Write the copies back."""
        for buffer, copy in zip(self.buffers, self.copies, strict=True):
            buffer.copy_(copy)
