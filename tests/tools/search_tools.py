"""Running the search and analysis tools in this process."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs' / 'synthetic' / 'alignps_tiny.py')


def run(tool, *arguments):
    argv = sys.argv
    sys.argv = [tool, *map(str, arguments)]
    try:
        runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')
    finally:
        sys.argv = argv


def refused(capsys, tool, *arguments):
    """The one line in which a tool refuses its input."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run(tool, *arguments)
    assert stop.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1
    return lines[0]
