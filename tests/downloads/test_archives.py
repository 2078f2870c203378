import io
import os
import stat
import tarfile
import zipfile

import pytest

from mmdet_ps.downloads.archives import unpack

from ..faults import check_reader

FILES = {'prw/a.txt': b'a' * 3000, 'prw/deep/er/b.bin': bytes(range(256)) * 40, './c': b''}


def write_zip(path, members):
    """Members are name and bytes, or name and a ready ``ZipInfo``."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            if isinstance(content, zipfile.ZipInfo):
                archive.writestr(content, b'../../outside')
            else:
                archive.writestr(name, content)
    return path


def write_tar(path, members, mode='w:gz'):
    """Members are name and bytes, or name and a ready ``TarInfo``."""
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o4777
            archive.addfile(info, io.BytesIO(content))
    return path


def found(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


def zip_member(name, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def tar_member(name, kind, target=''):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    'write, name',
    [
        (write_zip, 'a.zip'),
        (write_tar, 'a.tar.gz'),
        (lambda path, members: write_tar(path, members, 'w'), 'a.tar'),
        # The content says what it is, not the name.
        (lambda path, members: write_tar(path, members, 'w:xz'), 'a.zip'),
    ],
)
def test_unpack(tmp_path, write, name):
    unpack(write(tmp_path / name, FILES), tmp_path / 'out')
    assert found(tmp_path / 'out') == {name.removeprefix('./'): v for name, v in FILES.items()}
    assert not (tmp_path / 'out' / 'prw' / 'a.txt').stat().st_mode & stat.S_ISUID


def test_folders(tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
        archive.writestr(zip_member('empty/', stat.S_IFDIR | 0o755), b'')
    folder = tar_member('empty', tarfile.DIRTYPE)
    for archive in (tmp_path / 'a.zip', write_tar(tmp_path / 'a.tar', {'empty': folder})):
        unpack(archive, tmp_path / archive.suffix)
        assert list((tmp_path / archive.suffix).iterdir()) == [tmp_path / archive.suffix / 'empty']


OUTSIDE = ['../x', 'prw/../../x', '/tmp/x', '..\\x', 'C:/x', 'prw/..']


@pytest.mark.parametrize('name', OUTSIDE)
@pytest.mark.parametrize('write', [write_zip, write_tar])
def test_path_outside(tmp_path, write, name):
    inside = tmp_path / 'deep' / 'out'
    archive = write(tmp_path / 'archive', {'prw/first': b'1', name: b'2'})
    with pytest.raises(ValueError, match='a path that leads out of the folder') as caught:
        unpack(archive, inside)
    assert '\n' not in str(caught.value) and str(archive) in str(caught.value)
    assert found(tmp_path) == {'archive': archive.read_bytes(), 'deep/out/prw/first': b'1'}


@pytest.mark.parametrize(
    'write, member, said',
    [
        (write_zip, zip_member('l', stat.S_IFLNK | 0o777), 'a link'),
        (write_zip, zip_member('l', stat.S_IFIFO | 0o777), 'neither file nor folder'),
        (write_tar, tar_member('l', tarfile.SYMTYPE, '/etc'), 'a link'),
        (write_tar, tar_member('l', tarfile.SYMTYPE, 'prw'), 'a link'),
        (write_tar, tar_member('l', tarfile.LNKTYPE, 'prw/first'), 'a link'),
        (write_tar, tar_member('l', tarfile.FIFOTYPE), 'neither file nor folder'),
        (write_tar, tar_member('l', tarfile.CHRTYPE), 'neither file nor folder'),
    ],
)
def test_no_link(tmp_path, write, member, said):
    archive = write(tmp_path / 'archive', {'prw/first': b'1', 'l': member, 'l/x': b'2'})
    with pytest.raises(ValueError, match=f"'l' in it is {said}"):
        unpack(archive, tmp_path / 'out')
    assert not os.path.lexists(tmp_path / 'out' / 'l')


@pytest.mark.parametrize('write', [write_zip, write_tar])
def test_broken(tmp_path, write):
    archive = write(tmp_path / 'archive', FILES)
    places = iter(range(1000))
    whole = {name.removeprefix('./'): content for name, content in FILES.items()}

    def read(path):
        out = tmp_path / str(next(places))
        unpack(path, out)
        return found(out)

    def accept(files):
        # Bytes that no checksum covers are those of names.
        assert set(files.values()) <= set(whole.values())

    assert check_reader(archive, read, 150, accept) > 50


def test_wrong_checksum_of_compressed_bytes(tmp_path):
    archive = write_tar(tmp_path / 'a.tar.gz', FILES)
    content = bytearray(archive.read_bytes())
    content[-8] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ValueError, match='a.tar.gz: broken archive .CRC check failed'):
        unpack(archive, tmp_path / 'out')


@pytest.mark.parametrize('content', [b'', b'<html>quota</html>', b'\x1f\x8b' + b'x' * 100])
def test_no_archive(tmp_path, content):
    (tmp_path / 'a.zip').write_bytes(content)
    with pytest.raises(ValueError, match='a.zip: (neither a zip nor a tar|broken)'):
        unpack(tmp_path / 'a.zip', tmp_path / 'out')
