"""Checkpoints and data sets from Drive to their place; the server is on this machine."""

import errno
import os
import signal
import subprocess
import sys

import pytest
import torch

from mmdet_ps.core.evaluation import load_protocols
from mmdet_ps.downloads import CATALOGUE, find_released, get

from ..faults import broken_copies
from ..models.converters.released import ROOT, blank_state, build
from ..releases.official import write_cuhk, write_prw
from .local_drive import redirect, running
from .test_archives import write_tar, write_zip

pytest.importorskip('gdown')
NAME = 'alignps_r50_prw'
ENTRY = CATALOGUE[NAME]


def bytes_of(state, path):
    """A published file: more than the weights, and longer than one of gdown's chunks."""
    filling = torch.arange(400_000, dtype=torch.float32)
    torch.save(dict(meta=dict(epoch=24), state_dict=state, optimizer=dict(a=filling)), path)
    return path.read_bytes()


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp('published')
    layouts = ('alignps_prw', 'alignps_cuhk', 'alignps-dcn_prw')
    return {name: bytes_of(blank_state(name), folder / name) for name in layouts}


@pytest.fixture
def drive(monkeypatch):
    with running({}) as server:
        redirect(server.server_port, monkeypatch.setattr)
        yield server


def names(folder):
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob('*')
        if path.is_file() and not path.name.endswith('.lock')
    )


def refused(entry, folder, kind=ValueError):
    with pytest.raises(kind) as caught:
        get(entry, folder)
    assert not entry.ready(folder).exists()
    line = str(caught.value)
    assert '\n' not in line
    return line


def test_checkpoint(drive, published, tmp_path):
    drive.files = {ENTRY.drive_id: published['alignps_prw']}
    done = get(ENTRY, tmp_path)
    assert len(done.placed) == 374 and len(done.dropped) == 16
    assert names(tmp_path) == [f'{NAME}.pth', f'downloads/{NAME}.pth']
    config, checkpoint = find_released(NAME, tmp_path)
    assert config == ROOT / 'configs' / 'released' / f'{NAME}.py'
    content = torch.load(checkpoint, weights_only=True)
    assert content['meta']['converted_from'] == 'alignps_prw'
    build('alignps_prw').load_state_dict(content['state_dict'], strict=True)
    # What is there is not asked for again.
    asked = len(drive.asked)
    assert get(ENTRY, tmp_path) is None
    (tmp_path / f'{NAME}.pth').unlink()
    assert get(ENTRY, tmp_path) is not None
    assert len(drive.asked) == asked


def test_put_there_by_hand(published, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'gdown', None)
    path = ENTRY.published(tmp_path)
    path.parent.mkdir()
    path.write_bytes(published['alignps_prw'])
    assert get(ENTRY, tmp_path).placed
    assert path.read_bytes() == published['alignps_prw']


@pytest.mark.parametrize(
    'layout, said',
    [
        ('alignps_cuhk', 'it is alignps_cuhk, not alignps_prw'),
        ('alignps-dcn_prw', 'it is alignps-dcn_prw, not alignps_prw'),
    ],
)
def test_another_model(drive, published, tmp_path, layout, said):
    drive.files = {ENTRY.drive_id: published[layout]}
    line = refused(ENTRY, tmp_path)
    path = ENTRY.published(tmp_path)
    assert line.startswith(f'{path}: {said}; delete it and run the same command again')
    assert ENTRY.link in line


def test_file_without_a_table(drive, tmp_path):
    state = blank_state('alignps_prw')
    del state['bbox_head.labeled_matching_layer.lookup_table']
    content = bytes_of(state, tmp_path / 'state')
    drive.files = {ENTRY.drive_id: content}
    drive.files[CATALOGUE['alignps-dcn_r50_prw'].drive_id] = content
    assert get(ENTRY, tmp_path).fresh
    line = refused(CATALOGUE['alignps-dcn_r50_prw'], tmp_path)
    assert 'it is alignps_cuhk or alignps_prw, not alignps-dcn_prw' in line


@pytest.mark.parametrize('content', [b'<html>Quota exceeded</html>' * 99, b'', b'PK\x03\x04'])
def test_no_checkpoint(drive, tmp_path, content):
    drive.files = {ENTRY.drive_id: content}
    assert 'truncated or no checkpoint' in refused(ENTRY, tmp_path)


def test_wrong_bytes_in_the_weights(drive, published, tmp_path):
    good = published['alignps_prw']
    place = len(good) // 2  # amid the filling, which torch reads without a word
    drive.files = {ENTRY.drive_id: good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]}
    assert 'damaged, a checksum in it is wrong' in refused(ENTRY, tmp_path)


def test_broken_checkpoints_end_in_one_line(published, tmp_path):
    path = ENTRY.published(tmp_path)
    path.parent.mkdir()
    for content in broken_copies(published['alignps_prw'], 12):
        path.write_bytes(content)
        assert str(path) in refused(ENTRY, tmp_path)


def test_no_file_on_drive(drive, tmp_path):
    line = refused(ENTRY, tmp_path, OSError)
    assert line.startswith(f'{NAME}: Google Drive does not give the file (')
    assert f'open {ENTRY.link} in a browser, save the file as {ENTRY.published(tmp_path)}' in line


def test_no_room_for_the_converted_file(drive, published, tmp_path, monkeypatch):
    drive.files = {ENTRY.drive_id: published['alignps_prw']}

    def full(handle):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', full)
        line = refused(ENTRY, tmp_path, OSError)
    assert line == f'{tmp_path / NAME}.pth: No space left on device'
    assert names(tmp_path) == [f'downloads/{NAME}.pth']
    assert get(ENTRY, tmp_path)


GET = """
import sys
from pathlib import Path
sys.path.insert(0, '.')
from tests.downloads.local_drive import redirect
from mmdet_ps.downloads import CATALOGUE, get
redirect(int(sys.argv[1]))
get(CATALOGUE[sys.argv[2]], Path(sys.argv[3]))
"""


def started(drive, entry, folder):
    command = [sys.executable, '-c', GET, str(drive.server_port), entry.name, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_killed_and_two_at_once(drive, published, tmp_path):
    content = published['alignps_prw']
    drive.files = {ENTRY.drive_id: content}
    drive.hold_after = 1_200_000
    first = started(drive, ENTRY, tmp_path)
    assert drive.held.wait(60)
    deadline = 200
    while not (parts := list((tmp_path / 'downloads').glob('*.part'))) or not (
        parts[0].stat().st_size
    ):
        deadline -= 1
        assert deadline and first.poll() is None
        drive.released.wait(0.05)
    assert 'another process is fetching it' in refused(ENTRY, tmp_path, OSError)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    drive.hold_after = None
    drive.released.set()
    (part,) = (tmp_path / 'downloads').glob('*.part')
    kept = part.stat().st_size
    assert kept and not ENTRY.published(tmp_path).exists()
    get(ENTRY, tmp_path)
    assert drive.sent[-1] == kept
    assert ENTRY.published(tmp_path).read_bytes() == content


def packed(root, path, write, prefix):
    files = {
        f'{prefix}{file.relative_to(root)}': file.read_bytes()
        for file in sorted(root.rglob('*'))
        if file.is_file()
    }
    return write(path, files).read_bytes()


@pytest.mark.parametrize(
    'name, write_release, write, prefix',
    [
        ('prw', write_prw, write_zip, 'PRW-v16.04.20/'),
        ('prw', write_prw, write_zip, ''),
        ('cuhk_sysu', write_cuhk, write_tar, 'a/cuhk_sysu/'),
        ('cuhk_sysu', write_cuhk, write_tar, './'),
    ],
)
def test_data_set(drive, tmp_path, name, write_release, write, prefix):
    entry, data = CATALOGUE[name], tmp_path / 'data'
    root = write_release(tmp_path / 'made')
    drive.files = {entry.drive_id: packed(root, tmp_path / 'archive', write, prefix)}
    release = get(entry, data)
    assert release.counts()['queries'] == 2
    assert {path.name for path in data.iterdir()} == {'downloads', name}
    for file in names(root):
        assert (data / name / file).read_bytes() == (root / file).read_bytes()
    (protocol,) = load_protocols(data / name)
    assert protocol.num_queries == 2
    asked = len(drive.asked)
    assert get(entry, data) is None and len(drive.asked) == asked


def test_release_with_a_copy_of_its_list_below(drive, tmp_path):
    entry = CATALOGUE['prw']
    root = write_prw(tmp_path / 'made')
    (root / 'a_copy').mkdir()
    (root / 'a_copy' / 'frame_train.mat').write_bytes(b'a copy')
    drive.files = {entry.drive_id: packed(root, tmp_path / 'a', write_zip, '')}
    assert get(entry, tmp_path / 'data')
    assert (tmp_path / 'data' / 'prw' / 'query_info.txt').is_file()


def test_archive_of_something_else(drive, tmp_path):
    entry = CATALOGUE['prw']
    drive.files = {entry.drive_id: write_zip(tmp_path / 'a', {'other.txt': b'1'}).read_bytes()}
    line = refused(entry, tmp_path / 'data')
    said = f'{entry.published(tmp_path / "data")}: not the prw release, no frame_train.mat in it; '
    assert line.startswith(f'{said}delete it and run the same command again')
    assert names(tmp_path / 'data') == [f'downloads/{entry.file}']


def test_unsafe_archive(drive, tmp_path):
    entry = CATALOGUE['prw']
    drive.files = {entry.drive_id: write_zip(tmp_path / 'a', {'../../x': b'1'}).read_bytes()}
    assert 'a path that leads out of the folder' in refused(entry, tmp_path / 'data')
    assert names(tmp_path) == ['a', f'data/downloads/{entry.file}']


def test_broken_release_in_the_archive(drive, tmp_path):
    entry = CATALOGUE['prw']
    root = write_prw(tmp_path / 'made')
    (root / 'frame_test.mat').write_bytes(b'no matlab')
    drive.files = {entry.drive_id: packed(root, tmp_path / 'a', write_zip, '')}
    line = refused(entry, tmp_path / 'data')
    assert line.startswith(f'{entry.published(tmp_path / "data")}: frame_test.mat: ')
    assert names(tmp_path / 'data') == [f'downloads/{entry.file}']
    (root / 'frame_test.mat').unlink()
    entry.published(tmp_path / 'data').write_bytes(packed(root, tmp_path / 'a', write_zip, ''))
    assert 'frame_test.mat' in refused(entry, tmp_path / 'data')
    assert names(tmp_path / 'data') == [f'downloads/{entry.file}']


def test_no_room_to_unpack(drive, tmp_path, monkeypatch):
    import mmdet_ps.downloads.archives as module

    entry = CATALOGUE['prw']
    root = write_prw(tmp_path / 'made')
    drive.files = {entry.drive_id: packed(root, tmp_path / 'a', write_zip, '')}

    def full(source, out, length):
        out.write(source.read(10))
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, 'copyfileobj', full)
        line = refused(entry, tmp_path / 'data', OSError)
    assert 'cannot be unpacked into' in line and line.endswith('No space left on device')
    assert names(tmp_path / 'data') == [f'downloads/{entry.file}']
    assert get(entry, tmp_path / 'data')


def test_what_a_kill_has_left_is_not_the_data_set(drive, tmp_path):
    entry = CATALOGUE['prw']
    root = write_prw(tmp_path / 'made')
    drive.files = {entry.drive_id: packed(root, tmp_path / 'a', write_zip, '')}
    left = tmp_path / 'data' / '.prw.unpacking' / 'other'
    left.mkdir(parents=True)
    (left / 'frame_train.mat').write_bytes(b'half')
    assert get(entry, tmp_path / 'data')
    assert not left.exists() and names(root)[0] in names(tmp_path / 'data' / 'prw')


def test_what_stands_under_the_name_is_left_alone(drive, tmp_path):
    entry = CATALOGUE['prw']
    (tmp_path / 'prw').mkdir()
    (tmp_path / 'prw' / 'mine').write_text('mine')
    with pytest.raises(
        FileExistsError, match='convert it with python tools/dataset_converters/prw'
    ):
        get(entry, tmp_path)
    assert (tmp_path / 'prw' / 'mine').read_text() == 'mine' and drive.asked == []


@pytest.mark.parametrize('target', ['nowhere', 'empty'])
def test_link_under_the_name_is_left_alone(drive, tmp_path, target):
    (tmp_path / 'prw').symlink_to(tmp_path / target)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileExistsError):
        get(CATALOGUE['prw'], tmp_path)
    assert (tmp_path / 'prw').is_symlink() and drive.asked == []


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match='cannot be written'):
        get(ENTRY, tmp_path / 'file')
