"""Checkpoint files, read without running code that they bring."""

import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

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
