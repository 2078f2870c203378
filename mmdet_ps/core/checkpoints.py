"""Checkpoints of a training run: written whole or not at all, and the newest whole one found."""

import io
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..utils.io import atomic_write


def plain(value: Any) -> Any:
    """Turn NumPy numbers and arrays and paths inside dicts and sequences into Python's own kinds.

    The weights-only loader refuses anything else.
    """
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | range):
        items = [plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def write_checkpoint(content: dict[str, Any], path: Path, link: str | None = None) -> None:
    """Write a checkpoint; a kill or a full disk on the way leaves what stood there before.

    Args:
        content: ``state_dict`` and more; ``meta`` is written by `plain`.
        path: Of the file.
        link: Name of a symbolic link beside it that is to point to it.

    Raises:
        OSError: The file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({**content, 'meta': plain(content['meta'])}, buffer)
    with atomic_write(path) as stream:
        stream.write(buffer.getbuffer())
    if link:
        temporary = path.with_name(f'.{link}.{os.getpid()}')
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(path.name)
        temporary.replace(path.with_name(link))


def read_meta(path: Path) -> dict[str, Any]:
    """Read how far a run had come, without reading the tensors.

    Raises:
        ValueError: Not whole, not readable without running code, or not of a training run.
    """
    try:
        meta = torch.load(path, map_location='cpu', weights_only=True, mmap=True)['meta']
        return dict(meta, epoch=int(meta['epoch']), iter=int(meta['iter']))
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f'{path}: no whole checkpoint of a training run ({reason})') from None


def is_whole(path: Path) -> bool:
    """Whether every tensor in a checkpoint still has the checksum that it was written with."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError):
        return False


def newest_checkpoint(folder: str | os.PathLike) -> Path | None:
    """Find the whole checkpoint of a run that has come farthest.

    Files that cannot be read or are not whole are passed over with a warning.

    Args:
        folder: Work directory of the run; it may be missing.

    Returns:
        The checkpoint; None without one.
    """
    found = []
    for path in sorted(Path(folder).glob('*.pth')):
        if path.is_symlink() or path.name.startswith('.'):
            continue
        try:
            meta = read_meta(path)
        except ValueError as error:
            warnings.warn(f'{error}: passed over', stacklevel=2)
            continue
        # Of two at the same step, the one written last knows more (the best score, say).
        found.append((meta['iter'], path.stat().st_mtime_ns, path))
    for *_, path in sorted(found, reverse=True):
        if is_whole(path):
            return path
        warnings.warn(f'{path}: damaged; the checkpoint before it is used', stacklevel=2)
    return None


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Remove the temporary files of checkpoints whose writing was killed."""
    for path in Path(folder).glob('.*.pth.*'):
        path.unlink(missing_ok=True)
