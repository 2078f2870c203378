"""Running a model over a test set, alone or with other processes."""

from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from ..utils.cli import progress


@torch.no_grad()
def collect_results(model: nn.Module, loader: Any) -> list[Any] | None:
    """Run a model over a test set.

    Args:
        model: Wrapped by `mmdet_ps.core.parallel.wrap_model`; in evaluation mode afterwards.
        loader: In the dataset's order. Where its sampler shares the pictures out among W processes,
            process r has every W-th from the r-th on, and pictures are repeated until all have as
            many.

    Returns:
        One result a picture, in the dataset's order; None on processes other than the first.
    """
    size = len(loader.dataset)
    world_size = getattr(loader.sampler, 'num_replicas', 1)
    first = getattr(loader.sampler, 'rank', 0) == 0
    model.eval()
    results: list[Any] = []
    with progress('testing', total=size, hidden=not first) as bar:
        for batch in loader:
            results += model(return_loss=False, rescale=True, **batch)
            bar.update(min(len(results) * world_size, size) - bar.n)
    if world_size == 1:
        return results
    parts: list[list] | None = [[]] * world_size if first else None
    dist.gather_object(results, parts)
    return parts and [parts[i % world_size][i // world_size] for i in range(size)]
