"""The converters as a user runs them: one line and exit code 2 on bad input."""

import subprocess
import sys
from pathlib import Path

import pytest

from ..releases.official import write_cuhk, write_prw

ROOT = Path(__file__).parents[2]


def run(tool, *args):
    command = [sys.executable, f'tools/dataset_converters/{tool}.py', *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def lines(stderr, start):
    """Lines of the tool's own; progress bars end in a carriage return."""
    own = [line.rsplit('\r', 1)[-1] for line in stderr.splitlines()]
    return [line for line in own if line.startswith(start)]


def outputs(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file())


def test_cuhk_sysu(tmp_path):
    root = write_cuhk(tmp_path / 'release')
    done = run('cuhk_sysu', root, '--out', tmp_path / 'out')
    assert done.returncode == 0, done.stderr
    assert '3 training pictures, 2 training identities, 3 test pictures, 2 queries' in done.stdout
    assert outputs(tmp_path / 'out') == [
        'protocol/G100.npz',
        'protocol/G50.npz',
        'protocol/all.npz',
        'test.json',
        'train.json',
    ]
    warned = lines(done.stderr, 'warning: ')
    assert len(warned) == 3 and 'training pictures 3 (official 11206)' in warned[0]
    again = run('cuhk_sysu', root, '--out', tmp_path / 'out')
    assert again.returncode == 2
    assert lines(again.stderr, 'error: ') == [
        f'error: {tmp_path / "out" / "train.json"}: is there already; add --force to replace it'
    ]
    assert 'Traceback' not in again.stderr


def test_prw(tmp_path):
    done = run('prw', write_prw(tmp_path))
    assert done.returncode == 0, done.stderr
    assert {'train.json', 'test.json', 'protocol/all.npz', 'protocol/cross.npz'} <= set(
        outputs(tmp_path)
    )


@pytest.mark.parametrize(
    'tool, write, spoil, said',
    [
        ('cuhk_sysu', write_cuhk, 'Image/SSM/s2.jpg', 's2.jpg: the picture is truncated'),
        (
            'cuhk_sysu',
            write_cuhk,
            'annotation/Images.mat',
            'Images.mat: truncated or not of the official',
        ),
        ('prw', write_prw, 'frame_test.mat', 'frame_test.mat: truncated or not of the official'),
    ],
)
def test_broken_release_ends_in_one_line(tmp_path, tool, write, spoil, said):
    root = write(tmp_path / 'release')
    path = root / spoil
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = outputs(root)
    done = run(tool, root)
    assert done.returncode == 2
    (line,) = lines(done.stderr, 'error: ')
    assert said in line
    assert 'Traceback' not in done.stderr
    assert outputs(root) == before


def test_missing_folder(tmp_path):
    done = run('prw', tmp_path / 'absent')
    assert done.returncode == 2
    assert len(lines(done.stderr, 'error: ')) == 1 and 'absent: no such folder' in done.stderr
