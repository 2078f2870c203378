"""Every tool says what it does at once: without torch and mmdet, and without a word on stderr."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = sorted(p for p in (ROOT / 'tools').rglob('*.py') if 'run_tool(' in p.read_text())
HEAVY = {'torch', 'mmcv', 'mmdet', 'matplotlib'}
PRINT_IMPORTS = """
import atexit, runpy, sys
tool, listing = sys.argv[1:3]
atexit.register(lambda: open(listing, 'w').write(' '.join(sys.modules)))
sys.path.insert(0, tool.rpartition('/')[0])
sys.argv = [tool, '--help']
runpy.run_path(tool, run_name='__main__')
"""


@pytest.mark.parametrize('tool', TOOLS, ids=lambda tool: tool.name)
def test_help(tool, tmp_path):
    listing = tmp_path / 'modules'
    done = subprocess.run(
        [sys.executable, '-c', PRINT_IMPORTS, str(tool), str(listing)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 0 and done.stderr == ''
    assert done.stdout.startswith(f'usage: {tool.name} ')
    assert not HEAVY & set(listing.read_text().split())
