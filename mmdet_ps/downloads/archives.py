"""Unpack archives that others made: plain files and folders, all of them below one folder."""

import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from stat import S_IFMT, S_ISLNK, S_ISREG
from typing import IO

from ..utils.cli import progress

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    RuntimeError,  # a zip with a password
    NotImplementedError,
)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or a tar (plain or compressed) into a new folder.

    Names, sizes and bytes are taken from the archive; owners, permissions and times are not.

    Args:
        archive: The file; its content says of which kind it is.
        folder: Made here; left half-filled on an error.

    Raises:
        ValueError: It is no archive, it is broken, or it has a name that leads out of the folder, a
            link or anything else that is neither file nor folder.
        OSError: No room on the disk.
    """
    folder.mkdir(parents=True)
    try:
        for name, stream in progress(f'unpacking {archive.name}', _members(archive)):
            target = folder.joinpath(*_parts(archive, name))
            if stream is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with stream, open(target, 'wb') as out:
                shutil.copyfileobj(stream, out, 1 << 20)
    except _BROKEN as error:
        raise ValueError(f'{archive}: broken archive ({error or type(error).__name__})') from None
    except OSError as error:
        # gzip's words for bytes that are none of its own are an OSError without a number.
        if error.errno is None:
            raise ValueError(f'{archive}: broken archive ({error})') from None
        raise OSError(f'{archive} cannot be unpacked into {folder}: {error.strerror}') from None


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Name and bytes of each file; None for the bytes of a folder."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as content:
            for info in content.infolist():
                kind = S_IFMT(info.external_attr >> 16)
                if kind and not S_ISREG(kind) and not info.is_dir():
                    what = 'a link' if S_ISLNK(kind) else 'neither file nor folder'
                    raise _refused(archive, info.filename, what)
                yield info.filename, None if info.is_dir() else content.open(info)
        return
    try:
        content = tarfile.open(archive, 'r:*')
    except tarfile.ReadError:
        raise ValueError(f'{archive}: neither a zip nor a tar file, or a broken one') from None
    with content:
        for member in content:
            if not (member.isreg() or member.isdir()):
                what = 'a link' if member.islnk() or member.issym() else 'neither file nor folder'
                raise _refused(archive, member.name, what)
            yield member.name, content.extractfile(member) if member.isreg() else None
        # The checksum of compressed bytes stands behind the last of them.
        while content.fileobj and content.fileobj.read(1 << 20):
            pass


def _parts(archive: Path, name: str) -> list[str]:
    """A member's path below the folder, name by name."""
    parts = name.split('/')
    if name.startswith('/') or '\\' in name or '\0' in name or '..' in parts or ':' in parts[0]:
        raise _refused(archive, name, 'a path that leads out of the folder')
    return [part for part in parts if part not in ('', os.curdir)]


def _refused(archive: Path, name: str, what: str) -> ValueError:
    return ValueError(f'{archive}: {name!r} in it is {what}; nothing of it is unpacked')
