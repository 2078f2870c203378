"""Wall-clock time and peak memory of code that may run on CUDA."""

import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

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


def in_turn(
    calls: Sequence[Callable[[int], dict[str, float]]], runs: int, warmup: int
) -> list[dict[str, list[float]]]:
    """Measure several things side by side: A B C A B C and so on, not A A B B C C.

    What else the machine does in the meantime then weighs on all of them alike.

    Args:
        calls: Each is given the number of the run, 0 to ``runs - 1``, and gives what it measured by
            name.
        runs: How often each is called and counted.
        warmup: How often each is called before that; with the numbers of the first runs.

    Returns:
        By name and in the order of the runs, what each of ``calls`` measured.
    """
    for run in range(warmup):
        for call in calls:
            call(run % runs)
    found: list[dict[str, list[float]]] = [{} for _ in calls]
    for run in range(runs):
        for call, own in zip(calls, found, strict=True):
            for name, value in call(run).items():
                own.setdefault(name, []).append(value)
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """``median``, ``min`` and ``max`` of seconds, in milliseconds."""
    return {
        name: 1000 * of(values)
        for name, of in (('median', statistics.median), ('min', min), ('max', max))
    }


def summary(values: Sequence[float]) -> str:
    """Median, minimum and maximum of seconds, in milliseconds, as text."""
    return '  '.join(f'{name} {value:9.2f}' for name, value in spread(values).items()) + ' ms'


def device_name() -> str:
    """Name of the GPU, or how many CPU threads there are."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f'CPU, {torch.get_num_threads()} threads'


def peak_memory() -> float:
    """The most memory that was held so far, in MiB: by tensors on CUDA, else by this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path('/proc/self/status')
    if status.exists():
        # Unlike ru_maxrss it does not begin with what the parent held when it started us.
        return int(re.search(r'VmHWM:\s*(\d+) kB', status.read_text())[1]) / 2**10
    unit = 2**20 if sys.platform == 'darwin' else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
