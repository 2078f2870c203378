"""Wall-clock timing of code that may run on CUDA."""

import statistics
import time
from collections.abc import Callable

import torch


def now() -> float:
    """Seconds on a steady clock, after CUDA has finished what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds(run: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = now()
    run()
    return now() - start


def summary(values: list[float]) -> str:
    """Median, minimum and maximum of seconds, in milliseconds."""
    milliseconds = [1000 * value for value in values]
    return (
        f'median {statistics.median(milliseconds):9.2f}  min {min(milliseconds):9.2f}  '
        f'max {max(milliseconds):9.2f} ms'
    )


def device_name() -> str:
    """Name of the GPU, or how many CPU threads there are."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f'CPU, {torch.get_num_threads()} threads'
