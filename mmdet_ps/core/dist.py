"""What several processes tell each other: rows, of which each has another number, and flags."""

from typing import Any

import torch
import torch.distributed as dist
from mmcv.runner import get_dist_info
from torch import Tensor


def _gather_unequal(rows: Tensor) -> tuple[list[Tensor], int]:
    """Return the rows of every process, in order of rank, and this process's rank."""
    rank, world_size = get_dist_info()
    if world_size == 1:
        return [rows], 0
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.zeros_like(count) for _ in range(world_size)]
    dist.all_gather(counts, count)
    # A shape is a number of the host: this is the one place where a process waits for its device.
    sizes = torch.cat(counts).tolist()
    padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
    padded[: len(rows)] = rows
    everyone = [torch.empty_like(padded) for _ in range(world_size)]
    dist.all_gather(everyone, padded)
    return [part[:size] for part, size in zip(everyone, sizes, strict=True)], rank


@torch.no_grad()
def gather_rows(rows: Tensor) -> Tensor:
    """Concatenate the rows of all processes in order of rank; counts may differ.

    Args:
        rows: (M, ...), the rows of this process; M may be 0.

    Returns:
        (sum of M over processes, ...), the same on every process, without gradient.
    """
    return torch.cat(_gather_unequal(rows)[0])


class _GatherRows(torch.autograd.Function):
    """`gather_rows` whose backward pass hands each process the gradient of its own rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts, rank = _gather_unequal(rows)
        ctx.start = sum(len(part) for part in parts[:rank])
        ctx.size = len(rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        grad = grad.contiguous().clone()
        dist.all_reduce(grad)
        return grad[ctx.start : ctx.start + ctx.size]


def gather_rows_with_grad(rows: Tensor) -> Tensor:
    """Concatenate the rows of all processes and keep the gradient path to each process's own.

    The backward pass sums the gradients of all processes. Where every process computes the same
    loss from the gathered rows, DistributedDataParallel's mean over processes then gives the
    gradient that one process with the whole batch would have.

    Args:
        rows: (M, ...), the rows of this process; M may be 0.

    Returns:
        (sum of M over processes, ...), the same values on every process.
    """
    return _GatherRows.apply(rows) if get_dist_info()[1] > 1 else rows


@torch.no_grad()
def mean_over_processes(value: Tensor) -> Tensor:
    """Average a number over the processes.

    A sum over a process's own people divided by the mean count over processes is, after
    DistributedDataParallel has averaged the gradients, the mean over the people of the whole batch.
    """
    world_size = get_dist_info()[1]
    if world_size == 1:
        return value
    value = value.clone()
    dist.all_reduce(value)
    return value / world_size


def any_process(condition: bool, device: torch.device) -> bool:
    """Whether a condition holds on any process; ``device`` is what they communicate from."""
    if get_dist_info()[1] == 1:
        return condition
    flag = torch.tensor(int(condition), device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag)


def gather_items(items: list[Any]) -> list[Any]:
    """Concatenate small lists of plain values of all processes in order of rank."""
    world_size = get_dist_info()[1]
    if world_size == 1:
        return items
    everyone: list[Any] = [None] * world_size
    dist.all_gather_object(everyone, items)
    return [item for part in everyone for item in part]
