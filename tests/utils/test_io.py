"""Saving files, and finding out early that they cannot be saved."""

import os
import stat

import pytest

from mmdet_ps.utils.io import atomic_write, check_writable


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / 'numbers.json'
    path.write_text('old')
    with pytest.raises(ZeroDivisionError), atomic_write(path, 'w') as stream:
        stream.write('new')
        _ = 1 / 0
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('umask, mode', [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_file_may_be_read_by_whom_the_umask_lets(tmp_path, umask, mode):
    """As any other new file; a temporary one alone is its owner's."""
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / 'new' / 'numbers.json', 'w') as stream:
            stream.write('1')
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    path = tmp_path / 'new' / 'numbers.json'
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_text() == '1' and list(path.parent.iterdir()) == [path]


def test_writable_files_are_not_made_and_their_folders_are(tmp_path):
    check_writable(None, tmp_path / 'a.json', tmp_path / 'new' / 'b.json')
    assert [path.name for path in tmp_path.iterdir()] == ['new']
    assert not list((tmp_path / 'new').iterdir())


def test_unwritable_files_are_named(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match='file/a.json cannot be written'):
        check_writable(tmp_path / 'file' / 'a.json')
    with pytest.raises(IsADirectoryError, match='give the name of a file'):
        check_writable(tmp_path)
