"""Doing what is left of a run: training, test or join, each a program of its own.

A run's folder is locked meanwhile, so several tools can share a work directory.
"""

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmdet_ps.utils.cli import STOPPED_EARLY
from mmdet_ps.utils.io import atomic_write

from .table import ROOT, Run, Step

# Seconds that a program has to end in when it is asked to.
_PATIENCE = 20


class RunHeld(Exception):
    """Another process is at work on a run."""


@contextmanager
def _locked(folder: Path, wait: bool) -> Iterator[int]:
    """Hold a run's folder, where need be after waiting for another process that holds it.

    The lock is handed to the programs that are started, so it also outlives a tool that was killed
    while its training goes on.

    Raises:
        RunHeld: Another process holds it and is not to be waited for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / '.lock', 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise RunHeld(f'another process is at work in {folder}') from None
        yield lock.fileno()


def execute(run: Run, wait: bool = False) -> str | None:
    """Do what is left of a run; first its parts, where it joins two.

    Args:
        run: The run.
        wait: Whether to wait for another process that is at work on it.

    Returns:
        What went wrong in one line, None where the run is finished.

    Raises:
        RunHeld: Another process is at work on it.
    """
    for part in run.parts:
        failure = execute(part, wait)
        if failure:
            return f'needs {part.name}: {failure}'
    if not run.steps():
        return None
    try:
        with _locked(run.folder, wait) as lock:
            for step in run.steps():
                failure = _do(step, run, lock)
                if failure:
                    return failure
    except OSError as error:
        return str(error)
    return None


def _do(step: Step, run: Run, lock: int) -> str | None:
    """Do a step; gives what went wrong."""
    log = run.folder / f'{step.title}.log'
    resumed = any(run.folder.glob('*.pth'))
    said_before = log.stat().st_size if log.exists() else 0
    started = time.monotonic()
    code = _call(step.command, log, lock)
    if code == STOPPED_EARLY:
        return f'{step.title} was stopped by SIGTERM and is saved; the same command goes on with it'
    if code:
        return f'{step.title} ended with {code}: {_last_words(log, said_before)} ({log})'
    if step.title == 'training':
        seconds = None if resumed else round(time.monotonic() - started, 1)
        with atomic_write(run.trained, 'w') as stream:
            json.dump(dict(row=run.name, seconds=seconds, gpus=run.gpus), stream)
    if not step.done:
        missing = ', '.join(path.name for path in step.made if not path.exists())
        return f'{step.title} ended well but left no {missing} ({log})'
    return None


def _call(command: tuple[str, ...], log: Path, lock: int) -> int:
    """Run a program to its end, and give its exit code; end it where this one is interrupted."""
    path = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = os.environ | dict(PYTHON=sys.executable, PYTHONPATH=os.pathsep.join(path))
    with (
        open(log, 'a') as output,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=[lock],
        ) as program,
    ):
        try:
            return program.wait()
        except BaseException:
            program.terminate()
            try:
                program.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                program.kill()
            raise


def _last_words(log: Path, start: int) -> str:
    """The line of a log, from byte ``start`` on, that says why a program ended."""
    text = log.read_bytes()[start:].decode(errors='replace')
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # torchrun puts lines of its own after a process's traceback.
    for why in (r'error: ', r'[\w.]*(Error|Exception|Interrupt)\b'):
        told = [line for line in lines if re.match(why, line)]
        if told:
            return told[-1]
    return lines[-1] if lines else 'it said nothing'
