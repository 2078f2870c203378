"""How long the trainings that a table still needs would take on this machine."""

import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mmdet_ps.apis import load_config
from mmdet_ps.core.checkpoints import read_meta

from .table import Run

TIMED = 20
# Iterations before those: workers start, memory is found.
_WARMUP = 4


@dataclass(frozen=True)
class Forecast:
    """What a training would take.

    Attributes:
        run: One of the runs with this training; others have another seed.
        runs: How many there are.
        seconds: Of an iteration, the median of `TIMED`.
        iterations: Of a training.
    """

    run: Run
    runs: int
    seconds: float
    iterations: int

    @property
    def hours(self) -> float:
        """Of all its runs, one after the other."""
        return self.runs * self.seconds * self.iterations / 3600


def forecast(runs: Iterable[Run]) -> Iterator[Forecast]:
    """Time `TIMED` iterations of each training that is left, on its own data and processes.

    Args:
        runs: Runs and their parts; finished ones are passed.

    Raises:
        ValueError: A training ends on an error; its last words are told.
    """
    trainings: dict[Path, list[Run]] = {}
    for run in runs:
        left = [step.title for step in run.steps()]
        alike = trainings.setdefault(run.folder.parent, [])
        if 'training' in left and run not in alike:
            alike.append(run)
    for alike in filter(None, trainings.values()):
        seconds, epoch = _timed(alike[0])
        runner = load_config(alike[0].config, list(alike[0].options)).runner
        iterations = runner.get('max_iters') or runner.max_epochs * epoch
        yield Forecast(alike[0], len(alike), seconds, iterations)


def _timed(run: Run) -> tuple[float, int]:
    """Seconds of an iteration, and iterations of an epoch."""
    last = _WARMUP + TIMED
    few = ('runner.max_epochs=None', f'runner.max_iters={last}', 'log_config.interval=1')
    few += ('checkpoint_config.by_epoch=False', f'checkpoint_config.interval={last}')
    with tempfile.TemporaryDirectory(prefix='forecast.') as scratch:
        folder = Path(scratch, run.folder.name)
        folder.mkdir()
        own = replace(run, folder=folder, options=(*run.options, *few))
        done = subprocess.run(own.steps()[0].command, capture_output=True, text=True)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip()] or ['nothing']
            raise ValueError(f'{run.name}: its training ended with {done.returncode}: {said[-1]}')
        (log,) = folder.glob('*.log.json')
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        times = [line['time'] for line in lines if line.get('mode') == 'train'][_WARMUP:]
        return statistics.median(times), int(read_meta(folder / 'latest.pth')['epoch_iters'])
