"""Running the shell tools and standing in for the programs that they call."""

import os
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).parents[2] / 'tools'


def run(tool: str, *arguments: object, cwd: Path | None = None, **environment: object):
    """Run ``tools/<tool>`` with variables added to (or, with None, taken from) the environment."""
    return subprocess.run(
        ['bash', str(TOOLS / tool), *map(str, arguments)],
        cwd=cwd,
        env=environ(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def environ(**changes: object) -> dict[str, str]:
    """The environment of a tool: without what would steer it, then with ``changes``."""
    steering = ['VIRTUAL_ENV', 'NNODES', 'NODE_RANK', 'MASTER_ADDR', 'PORT', 'GPUS', 'SRUN_ARGS']
    values: dict[str, object] = {k: v for k, v in os.environ.items() if k not in steering}
    values |= {'PYTHON': sys.executable, **changes}
    return {name: str(value) for name, value in values.items() if value is not None}


def refused(result: subprocess.CompletedProcess) -> str:
    """The one line of a tool that ended on bad input."""
    assert result.returncode == 2, result.stdout + result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert ': error: ' in lines[0]
    return lines[0]


def program(folder: Path, name: str, body: str) -> Path:
    """Write an executable shell script."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/bash\n{body}\n')
    path.chmod(0o755)
    return path


def first_on_path(folder: Path) -> str:
    """A PATH on which the programs in ``folder`` come before all others."""
    return f'{folder}{os.pathsep}{os.environ["PATH"]}'


def only_on_path(folder: Path, *names: str) -> str:
    """A PATH that has the programs in ``folder`` and, of all others, only those named."""
    folder.mkdir(exist_ok=True)
    for name in names:
        found = subprocess.run(['bash', '-c', f'type -P {name}'], capture_output=True, text=True)
        (folder / name).symlink_to(found.stdout.strip())
    return str(folder)
