"""What happens to a gallery when the machine, the disk or another process does not behave."""

import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mmdet_ps.gallery import Gallery

from .stub import StubFinder, expected, levels_there, people_of, rows, write_picture, write_video

pytest.importorskip('lancedb')

ROOT = Path(__file__).parents[2]
PICTURES = [1 + n % 14 for n in range(40)]
FILMS = {'x.avi': [1 + n % 13 for n in range(60)], 'y.avi': [2 + n % 11 for n in range(60)]}


@pytest.fixture
def scenes(tmp_path):
    """Pictures and videos; what a gallery of them holds."""
    want = {}
    for n, level in enumerate(PICTURES):
        name = f'{n:02d}.jpg'
        write_picture(tmp_path / 's' / name, level)
        want |= expected(name, [level])
    for name, levels in FILMS.items():
        write_video(tmp_path / 's' / name, levels)
        want |= expected(name, levels)
    return tmp_path / 's', want


def start(folder, source, *options):
    return subprocess.Popen(
        [sys.executable, '-m', 'tests.gallery.stub_run', folder, source, *map(str, options)],
        cwd=ROOT,
        env=os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kept(said):
    """Frames up to which each source was kept, as a run has said."""
    lines = [line.split('\t') for line in said.splitlines() if line.startswith('kept\t')]
    return {Path(name).name: int(frame) for _, name, frame in lines}


@pytest.mark.slow
def test_kill_9_at_ten_moments_loses_nothing_that_was_kept(scenes, tmp_path):
    source, want = scenes
    rng = random.Random(0)
    acknowledged, kills = {}, 0
    for _ in range(10):
        run = start(tmp_path / 'g', source, '--delay', 0.01)
        assert run.stdout.readline() == 'begun\n'
        # At its very start, or after it has kept some sources; a moment later or less.
        lines = [run.stdout.readline() for _ in range(rng.choice([0, 0, 1, 2, 4, 8]))]
        time.sleep(rng.uniform(0, 0.15))
        run.kill()
        kills += run.wait() == -9
        acknowledged |= kept(''.join(lines) + run.stdout.read())
        if not (tmp_path / 'g').exists():
            continue
        # Whatever the moment, the gallery opens, nobody is twice, and what was said is there.
        gallery = Gallery(tmp_path / 'g', StubFinder())
        there = levels_there(gallery)
        must = {key: count for key, count in want.items() if key[1] <= acknowledged.get(key[0], -1)}
        assert must.items() <= there.items()
        assert there.items() <= want.items()
        del gallery
    assert kills >= 8 and 5 < len(acknowledged)
    run = start(tmp_path / 'g', source)
    said, error = run.communicate(timeout=60)
    assert run.returncode == 0, error
    gallery = Gallery(tmp_path / 'g', StubFinder())
    assert levels_there(gallery) == want
    assert len(gallery.sources()) == 42 and all(s.whole for s in gallery.sources())
    assert sum(s.people for s in gallery.sources()) == len(gallery)
    for row in list(rows(gallery).values())[:50]:
        level = FILMS.get(Path(row['source']).name)
        level = level[row['frame']] if level else PICTURES[int(Path(row['source']).stem)]
        n = int(row['id'].rsplit('#', 1)[1])
        assert row['box'] == people_of(level).boxes[n].tolist()


@pytest.mark.slow
def test_two_indexers_at_once_and_a_reader_during_both(scenes, tmp_path):
    source, want = scenes
    runs = [start(tmp_path / 'g', source, '--delay', 0.01) for _ in range(2)]
    reader, sizes, found = None, [], 0
    while reader is None:
        with suppress(FileNotFoundError):
            reader = Gallery(tmp_path / 'g')
    while any(run.poll() is None for run in runs):
        hits = reader.search(people_of(3).feats[0], top=30)
        assert len({hit.id for hit in hits}) == len(hits)
        sizes.append(len(reader))
        found = max(found, sum(hit.similarity > 0.999 for hit in hits))
        time.sleep(0.05)
    for run in runs:
        said, error = run.communicate()
        assert run.returncode == 0 and 'report' in said, error
        assert 'not read whole' not in said
    assert len(set(sizes)) > 2 and sizes == sorted(sizes) and found >= 2
    gallery = Gallery(tmp_path / 'g', StubFinder())
    assert levels_there(gallery) == want
    assert len(gallery.sources()) == 42
    again = gallery.add(source, every=0, progress=False)
    assert again.unchanged == 42 and again.pictures == 0


def full_disk(run, folder, want):
    """A run ended by a full disk says so in one line; what it has kept is there."""
    said, error = run.communicate(timeout=60)
    assert run.returncode == 2, said + error
    assert len(error.strip().splitlines()) == 1 and 'Traceback' not in error
    there = levels_there(Gallery(folder, StubFinder()))
    frames = kept(said)
    must = {key: count for key, count in want.items() if key[1] <= frames.get(key[0], -1)}
    assert must.items() <= there.items() <= want.items()
    return error, there


@pytest.mark.skipif(os.name != 'posix', reason='limits of file sizes are of POSIX')
def test_a_write_that_fails_is_said_and_what_was_kept_stays(scenes, tmp_path):
    source, want = scenes
    small = tmp_path / 'small'
    small.mkdir()
    for name in ('00.jpg', '02.jpg'):
        shutil.copy(source / name, small / name)
    start(tmp_path / 'g', small).communicate(timeout=60)
    films = [start(tmp_path / 'g', source, '--people', 10_000, '--seconds', 99, '--limit', 20_000)]
    error, there = full_disk(
        films[0], tmp_path / 'g', want | expected('00.jpg', [1]) | expected('02.jpg', [3])
    )
    assert 'File too large; what was added before is kept' in error
    assert there == expected('00.jpg', [1]) | expected('02.jpg', [3])


@pytest.mark.skipif(
    not hasattr(os, 'geteuid') or os.geteuid() != 0 or not shutil.which('mount'),
    reason='mounting a small disk needs root',
)
def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(scenes, tmp_path):
    source, want = scenes
    disk = tmp_path / 'disk'
    disk.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=1500k', 'tmpfs', str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip('this machine mounts no tmpfs')
    try:
        run = start(disk / 'g', source, '--people', 20, '--seconds', 0)
        error, there = full_disk(run, disk / 'g', want)
        assert 'No space left on device; what was added before is kept' in error
        assert 0 < len(there) < len(want)
        subprocess.run(['mount', '-o', 'remount,size=64m', str(disk)], check=True)
        run = start(disk / 'g', source)
        assert run.wait(timeout=60) == 0, run.stderr.read()
        assert levels_there(Gallery(disk / 'g', StubFinder())) == want
    finally:
        subprocess.run(['umount', '-l', str(disk)], check=True)
