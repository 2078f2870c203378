"""Checkpoints: read without running code that they bring, written whole or not at all.

The first half reads any checkpoint file and fits it to a model; the second is about those of a
training run.
"""

import io
import os
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..utils.io import atomic_write

# Modules that lists of missing tensors name before they say how many more there are.
_NAMED = 5


def load_checkpoint_file(path: str | os.PathLike, trust: bool = False) -> dict[str, Any]:
    """Read what ``torch.save`` wrote, onto the CPU.

    Args:
        path: A file on this machine.
        trust: Read it with the unrestricted loader, which runs code that the file brings; for files
            of one's own.

    Returns:
        The dict in the file.

    Raises:
        FileNotFoundError: Without such a file.
        ValueError: Where the file asks for anything but tensors and plain values, is broken, or
            holds no dict.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint file')
    try:
        content = torch.load(path, map_location='cpu', weights_only=not trust)
    except Exception as error:
        raise ValueError(f'{path}: {_why_unreadable(error)}') from None
    if not isinstance(content, dict):
        raise ValueError(f'{path}: no checkpoint, it holds a {type(content).__name__} and no dict')
    return content


def _why_unreadable(error: Exception) -> str:
    """Tell a file that wants to run code from one that is broken."""
    text = str(error)
    wanted = re.search(r'GLOBAL ([\w.]+)', text)
    if isinstance(error, pickle.UnpicklingError) and wanted:
        return (
            f'asks for {wanted[1]} while it is read, which is neither tensor nor plain value: '
            'refused, since that can run code (--trust reads a file of your own)'
        )
    reason = (text.splitlines() or [''])[0].split('. ')[0]
    detail = f' ({reason})' if reason and 'Weights only' not in reason else ''
    return f'truncated or no checkpoint{detail}; download or copy it again'


def state_dict_of(content: dict[str, Any], path: str | os.PathLike) -> dict[str, Tensor]:
    """Find the tensors in a checkpoint: under ``state_dict`` or ``model``, or at its top.

    Args:
        content: Of `load_checkpoint_file`.
        path: Named in errors.

    Returns:
        Tensors by name, without the ``module.`` that data-parallel training puts before each.

    Raises:
        ValueError: Where there are none, or other things among them.
    """
    state = content
    for key in ('state_dict', 'model'):
        if isinstance(content.get(key), dict):
            state = content[key]
            break
    strange = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if strange or not state:
        held = f'{", ".join(strange[:_NAMED])} are no tensors' if strange else 'it is empty'
        raise ValueError(f'{path}: no checkpoint of a network, {held}')
    return {name.removeprefix('module.'): tensor for name, tensor in state.items()}


def listed(names: list[str]) -> str:
    """Name the first few, and say how many more there are."""
    more = len(names) - _NAMED
    return ', '.join(names[:_NAMED]) + (f' and {more} more' if more > 0 else '')


def misfits(state: dict[str, Tensor], target: dict[str, Tensor]) -> list[str]:
    """Describe the tensors whose shape differs from that of the same name in ``target``."""
    return [
        f'{name} {tuple(tensor.shape)} for {tuple(target[name].shape)}'
        for name, tensor in state.items()
        if name in target and tensor.shape != target[name].shape
    ]


def load_weights(model: nn.Module, path: str | os.PathLike, trust: bool = False) -> dict[str, Any]:
    """Load a checkpoint of this project into the model of its config, every tensor of it.

    Args:
        model: Built from the config that the checkpoint was trained with.
        path: The checkpoint.
        trust: See `load_checkpoint_file`.

    Returns:
        The checkpoint's ``meta``; empty where it has none.

    Raises:
        FileNotFoundError: Without such a file.
        ValueError: Where the file cannot be read, or its tensors are not those of the model.
    """
    content = load_checkpoint_file(path, trust)
    fit_weights(model, content, path)
    return content.get('meta') or {}


def fit_weights(model: nn.Module, content: dict[str, Any], path: str | os.PathLike) -> None:
    """Do what `load_weights` does with the content of a file that has been read already."""
    state, target = state_dict_of(content, path), model.state_dict()
    if 'bbox_head.labeled_matching_layer.lookup_table' in state:
        raise ValueError(
            f"{path}: one of the AlignPS authors' published files; convert it first with "
            'tools/model_converters/alignps_released.py'
        )
    faults = [
        f'{what}: {listed(names)}'
        for what, names in (
            ('missing', [name for name in target if name not in state]),
            ('not in the model', [name for name in state if name not in target]),
            ('of another shape', misfits(state, target)),
        )
        if names
    ]
    if faults:
        raise ValueError(
            f'{path}: not a checkpoint of this config ({"; ".join(faults)}); '
            'give the config that it was trained with'
        )
    model.load_state_dict(state)


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
