"""Fetch, check and convert: what is there under its own name in the end is whole."""

import os
import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..utils.io import check_writable
from .archives import unpack
from .catalogue import Download
from .drive import fetch


def get(entry: Download, folder: Path) -> Any:
    """Have a checkpoint or data set ready under a folder, whatever of it is there already.

    The published file goes to ``folder/downloads``, unless somebody has put it there by hand; it
    is read and never changed. ``entry.ready(folder)`` appears when everything has succeeded.

    Args:
        entry: One of `CATALOGUE`.
        folder: Made where it is missing.

    Returns:
        The `Conversion` of a checkpoint or the `Release` of a data set; None where it was ready.

    Raises:
        OSError: It cannot be fetched, there is no room for it, another process is fetching it, or
            something else stands under its name.
        ValueError: The published file is broken, unsafe or another than it should be.
    """
    ready, published = entry.ready(folder), entry.published(folder)
    if (ready / 'train.json' if entry.holds else ready).is_file():
        return None
    check_writable(published)
    try:
        with FileLock(published.with_name(f'.{entry.name}.lock'), timeout=0):
            if entry.holds:
                return _dataset(entry, ready, published)
            return _checkpoint(entry, ready, published)
    except Timeout:
        raise OSError(f'{entry.name}: another process is fetching it into {folder}') from None


def _fetch(entry: Download, published: Path) -> None:
    if not published.is_file():
        by_hand = f'open {entry.link} in a browser, save the file as {published}'
        try:
            fetch(entry.drive_id, published, f'{by_hand}, and run the same command again')
        except OSError as error:
            raise OSError(f'{entry.name}: {error}') from None


def _checkpoint(entry: Download, ready: Path, published: Path) -> Any:
    _fetch(entry, published)
    from ..models.converters import convert_file

    try:
        return convert_file(published, ready, entry.config.parent, entry.layout)[1]
    except ValueError as error:
        raise ValueError(f'{error}; {_cure(entry)}') from None
    except OSError as error:
        raise OSError(f'{ready}: {error.strerror or error}') from None


def _dataset(entry: Download, ready: Path, published: Path) -> Any:
    if os.path.lexists(ready) and (
        ready.is_symlink() or not ready.is_dir() or any(ready.iterdir())
    ):
        raise FileExistsError(
            f'{ready}: is there, and not converted; convert it with '
            f'python tools/dataset_converters/{entry.name}.py {ready}, or move it away'
        )
    _fetch(entry, published)
    from ..releases import cuhk_sysu, prw
    from ..releases.convert import convert

    readers = dict(cuhk_sysu=cuhk_sysu.read_release, prw=prw.read_release)
    # A killed run may have left one; whoever holds the lock is alone.
    stage = ready.with_name(f'.{entry.name}.unpacking')
    shutil.rmtree(stage, ignore_errors=True)
    try:
        unpack(published, stage)
        root = _root(entry, stage, published)
        release = convert(readers[entry.name], root)
        os.replace(root, ready)
    except (ValueError, FileNotFoundError) as error:
        said = str(error).replace(f'{stage}{os.sep}', '').removeprefix(f'{published}: ')
        raise ValueError(f'{published}: {said}; {_cure(entry)}') from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return release


def _root(entry: Download, stage: Path, published: Path) -> Path:
    """The folder of the release, in however many folders it was packed."""
    assert entry.holds is not None
    depth = len(Path(entry.holds).parts)
    found = [path for path in stage.rglob(Path(entry.holds).name) if path.match(entry.holds)]
    if not found:
        raise ValueError(f'{published}: not the {entry.name} release, no {entry.holds} in it')
    return min(found, key=lambda path: len(path.parts)).parents[depth - 1]


def _cure(entry: Download) -> str:
    return f'delete it and run the same command again, or fetch it by hand from {entry.link}'
