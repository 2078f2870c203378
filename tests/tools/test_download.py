"""The tool as a user runs it, with a server on this machine in place of Google Drive."""

import subprocess
import sys

import pytest
import torch

from mmdet_ps.downloads import CATALOGUE

from ..downloads.local_drive import QUOTA, running
from ..downloads.test_archives import write_zip
from ..downloads.test_get import packed
from ..models.converters.released import ROOT, blank_state
from ..releases.official import write_prw

pytest.importorskip('gdown')
NAME = 'alignps_r50_prw'
RUN = """
import runpy, sys
sys.path.insert(0, '.')
from tests.downloads.local_drive import redirect
redirect(int(sys.argv.pop(1)))
sys.argv[0] = 'tools/download.py'
runpy.run_path('tools/download.py', run_name='__main__')
"""


def run(*args, port=9):
    command = [sys.executable, '-c', RUN, str(port), *map(str, args)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert 'Traceback' not in done.stderr
    return done


def error(done):
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if line.startswith('error: '))
    return line


def test_list():
    done = run('--list')
    assert done.returncode == 0 and done.stderr == ''
    for entry in CATALOGUE.values():
        assert entry.link in done.stdout and entry.terms in done.stdout
        assert entry.page in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith('prw '))
    assert 'data set' in line and '2.67 GB' in line


def test_checkpoint(tmp_path):
    torch.save(dict(state_dict=blank_state('alignps_prw')), tmp_path / 'made')
    to = tmp_path / 'to'
    with running({CATALOGUE[NAME].drive_id: (tmp_path / 'made').read_bytes()}) as drive:
        done = run(NAME, '--to', to, port=drive.server_port)
        assert done.returncode == 0, done.stderr
        assert done.stdout == (
            f'{to / NAME}.pth: 374 tensors, for configs/released/{NAME}.py\n'
            f'{to / "downloads" / NAME}.pth: as published; not needed any more\n'
        )
        again = run(NAME, '--to', to, port=drive.server_port)
    assert again.returncode == 0 and again.stdout == f'{to / NAME}.pth: is there already\n'
    state = torch.load(to / f'{NAME}.pth', weights_only=True)['state_dict']
    assert 'bbox_head.loss_reid.oim.memory.table' in state


def test_data_set_wants_its_terms_accepted(tmp_path):
    entry = CATALOGUE['prw']
    root = write_prw(tmp_path / 'made')
    content = packed(root, tmp_path / 'a', write_zip, 'PRW-v16.04.20/')
    with running({entry.drive_id: content}) as drive:
        # Said before anything is fetched, also for what comes first.
        line = error(run(NAME, 'prw', '--to', tmp_path / 'to', port=drive.server_port))
        assert entry.terms in line and entry.page in line and '--accept-terms' in line
        assert drive.asked == [] and not (tmp_path / 'to').exists()
        given = ('prw', '--accept-terms', '--to', tmp_path / 'to')
        done = run(*given, port=drive.server_port)
    assert done.returncode == 0, done.stderr
    assert entry.terms in done.stdout and entry.page in done.stdout
    assert f'{tmp_path}/to/prw: 2 training pictures, 3 training identities' in done.stdout
    assert 'official 5704' in done.stderr
    assert (tmp_path / 'to' / 'prw' / 'protocol' / 'all.npz').is_file()


def test_quota_exceeded(tmp_path):
    with running({}) as drive:
        drive.page, drive.status = QUOTA, 200
        line = error(run(NAME, '--to', tmp_path, port=drive.server_port))
    entry = CATALOGUE[NAME]
    assert line == (
        f'error: {NAME}: Google Drive does not give the file (Too many users have viewed or '
        f'downloaded this file recently.); open {entry.link} in a browser, save the file as '
        f'{tmp_path}/downloads/{NAME}.pth, and run the same command again'
    )


def test_no_network(tmp_path):
    line = error(run(NAME, '--to', tmp_path))
    assert 'Google Drive cannot be reached' in line and CATALOGUE[NAME].link in line


@pytest.mark.parametrize('names', [[], ['prw', 'alignps', 'x']])
def test_names(names, tmp_path):
    line = error(run(*names, '--to', tmp_path / 'to'))
    said = 'alignps, x: no such download' if names else 'no name'
    assert line.startswith(f'error: {said}; give one or more of alignps_r50_cuhk')
    assert not (tmp_path / 'to').exists()
