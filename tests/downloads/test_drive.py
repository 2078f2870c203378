import builtins
import errno
import socket
import sys
import threading
from types import ModuleType

import pytest

from mmdet_ps.downloads import drive as module
from mmdet_ps.downloads.drive import fetch

from .local_drive import CONFIRM, QUOTA, redirect, running

pytest.importorskip('gdown')
# Of a transfer that breaks off gdown keeps whole chunks.
CHUNK = 512 * 1024
CONTENT = bytes(range(256)) * 8192
HAND = 'open LINK and save it as FILE'


@pytest.fixture
def drive(monkeypatch):
    with running({'ID': CONTENT}) as server:
        redirect(server.server_port, monkeypatch.setattr)
        yield server


def refused(path):
    with pytest.raises(OSError) as caught:
        fetch('ID', path, HAND)
    line = str(caught.value)
    assert '\n' not in line and not path.exists()
    return line


def parts(path):
    return [part for part in path.parent.iterdir() if part.suffix == '.part']


def test_through_the_confirmation_page(drive, tmp_path):
    path = tmp_path / 'sub' / 'a.pth'
    fetch('ID', path, HAND)
    assert path.read_bytes() == CONTENT
    assert drive.asked == ['/uc', '/download']
    assert [p.name for p in path.parent.iterdir()] == ['a.pth']


def test_goes_on_where_it_broke_off(drive, tmp_path):
    drive.ends = lambda number, first: {0: 700_000, CHUNK: 600_000}.get(first)
    path = tmp_path / 'a.pth'
    fetch('ID', path, HAND)
    assert path.read_bytes() == CONTENT
    assert [first for first in drive.sent if first] == [CHUNK, 2 * CHUNK]


def test_the_next_run_goes_on(drive, tmp_path):
    # Nothing comes of the second attempt, so the first run gives up and keeps what it has.
    drive.ends = lambda number, first: 0 if first else 700_000
    path = tmp_path / 'a.pth'
    line = refused(path)
    assert HAND in line
    (part,) = parts(path)
    assert part.read_bytes() == CONTENT[:CHUNK]
    assert drive.sent == [0, 0, CHUNK]
    drive.ends = lambda number, first: None
    fetch('ID', path, HAND)
    assert path.read_bytes() == CONTENT and parts(path) == []
    assert drive.sent[-1] == CHUNK


def test_starts_anew_where_the_server_cannot_go_on(drive, tmp_path):
    drive.ranges = False
    drive.ends = lambda number, first: None if number else 700_000
    path = tmp_path / 'a.pth'
    fetch('ID', path, HAND)
    assert path.read_bytes() == CONTENT and parts(path) == []


def test_goes_on_after_it_started_anew(drive, tmp_path):
    def ends(number, first):
        drive.ranges = number >= 3
        return {0: 1_300_000, 3: 600_000}.get(number)

    drive.ranges, drive.ends = False, ends
    fetch('ID', tmp_path / 'a.pth', HAND)
    assert (tmp_path / 'a.pth').read_bytes() == CONTENT
    assert drive.sent == [0, 0, 0, 0, 0, CHUNK]


def test_part_that_is_longer_than_the_file(drive, tmp_path):
    (tmp_path / 'a.pthabcdefgh.part').write_bytes(CONTENT * 2)
    fetch('ID', tmp_path / 'a.pth', HAND)
    assert (tmp_path / 'a.pth').read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ['a.pth']


def test_slow_transfer_is_not_stopped(drive, tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'BEGIN', 0.3)
    drive.hold_after = 1_200_000
    threading.Timer(0.8, drive.released.set).start()
    fetch('ID', tmp_path / 'a.pth', HAND)
    assert (tmp_path / 'a.pth').read_bytes() == CONTENT


def test_gives_up_where_the_server_never_goes_on(drive, tmp_path):
    drive.ranges = False
    drive.ends = lambda number, first: 700_000
    assert HAND in refused(tmp_path / 'a.pth')


def test_quota_exceeded(drive, tmp_path):
    drive.page, drive.status = QUOTA, 200
    line = refused(tmp_path / 'a.pth')
    assert line == (
        'Google Drive does not give the file (Too many users have viewed or downloaded this file '
        f'recently.); {HAND}'
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('page, status', [('<html>Sign in</html>', 200), (None, None)])
def test_other_page_in_place_of_the_file(drive, tmp_path, page, status):
    drive.page, drive.status = page, status
    drive.files = {}
    line = refused(tmp_path / 'a.pth')
    assert 'Cannot retrieve the public link' in line and line.endswith(HAND)
    assert list(tmp_path.iterdir()) == []


def test_page_that_leads_to_itself(drive, tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'BEGIN', 0.5)
    drive.page, drive.status = CONFIRM.format(id='ID'), 200
    assert refused(tmp_path / 'a.pth') == f'Google Drive does not begin to send the file; {HAND}'


def test_form_that_leads_nowhere(drive, tmp_path):
    drive.page, drive.status = '<form id="download-form"></form>', 200
    assert refused(tmp_path / 'a.pth') == f'Google Drive sends a page of a new kind; {HAND}'


def test_no_network(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))  # nobody listens
        redirect(taken.getsockname()[1], monkeypatch.setattr)
        assert refused(tmp_path / 'a.pth') == (
            f'Google Drive cannot be reached: there is no network, or it is blocked; {HAND}'
        )
    assert list(tmp_path.iterdir()) == []


class FullDisk:
    """A stream that takes ``room`` bytes."""

    def __init__(self, stream, room):
        self.stream, self.room = stream, room

    def write(self, data):
        self.stream.write(data[: self.room])
        if len(data) > self.room:
            raise OSError(errno.ENOSPC, 'No space left on device')
        self.room -= len(data)

    def __getattr__(self, name):
        return getattr(self.stream, name)


def test_full_disk(drive, tmp_path, monkeypatch):
    def open_on_full_disk(*args):
        stream = builtins.open(*args)
        return FullDisk(stream, 600_000) if args[1:] == ('ab',) else stream

    path = tmp_path / 'a.pth'
    with monkeypatch.context() as patch:
        # The module, which the function of the same name hides.
        module = sys.modules['gdown.download']
        patch.setattr(module, 'open', open_on_full_disk, raising=False)
        assert refused(path) == (
            f'{path}: No space left on device; what has come is kept, and the same command goes '
            'on with it'
        )
    assert [part.read_bytes() for part in parts(path)] == [CONTENT[:600_000]]
    fetch('ID', path, HAND)
    assert path.read_bytes() == CONTENT
    assert drive.sent[-1] == 600_000


@pytest.mark.parametrize('gdown', [None, ModuleType('gdown')])
def test_gdown_is_missing_or_old(tmp_path, monkeypatch, gdown):
    monkeypatch.setitem(sys.modules, 'gdown', gdown)
    with pytest.raises(ValueError, match=r"pip install 'mmdet_ps\[download\]'"):
        fetch('ID', tmp_path / 'a.pth', HAND)
