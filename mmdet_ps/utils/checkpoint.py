"""Checkpoint files: read without running code, and loaded without leaving anything out."""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn


def load_checkpoint_file(path: str | Path, trust: bool = False) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Args:
        path: File of ``torch.save``.
        trust: Read it with the unrestricted loader, which runs code that the file brings; for
            files of one's own.

    Returns:
        The checkpoint, a dict with ``state_dict``.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A file that is broken, wants more than weights and plain data, or holds no
            ``state_dict``.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint')
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=not trust)
    except pickle.UnpicklingError as error:
        wanted = str(error).split('Unsupported global: GLOBAL ')[-1].split(' ')[0]
        raise ValueError(
            f'{path}: asks for {wanted} while it is read, which is more than weights: refused, '
            'since that can run code (--trust reads a file of your own)'
        ) from None
    except Exception as error:
        raise ValueError(f'{path}: not a readable checkpoint ({error})') from None
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get('state_dict'), dict):
        raise ValueError(f'{path}: holds no state_dict, so it is no checkpoint of a model')
    return checkpoint


def load_model_weights(model: nn.Module, path: str | Path, trust: bool = False) -> dict[str, Any]:
    """Load a checkpoint into a model, all of it or not at all.

    Args:
        model: Detector.
        path: Checkpoint file.
        trust: See `load_checkpoint_file`.

    Returns:
        The checkpoint's ``meta``.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Tensors that are missing, left over, or of another shape; the first are named.
    """
    checkpoint = load_checkpoint_file(path, trust)
    state = {key.removeprefix('module.'): value for key, value in checkpoint['state_dict'].items()}
    own = model.state_dict()
    missing = sorted(set(own) - set(state))
    extra = sorted(set(state) - set(own))
    shapes = [
        f'{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}'
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if missing or extra or shapes:
        parts = [
            f'{len(names)} {what} ({", ".join(names[:3])}{", ..." if len(names) > 3 else ""})'
            for what, names in (
                ('missing', missing),
                ('not of this model', extra),
                ('of another shape', shapes),
            )
            if names
        ]
        raise ValueError(
            f'{path}: a checkpoint of another model than the config builds: tensors '
            f'{"; ".join(parts)}; give the config that it was trained with'
        )
    model.load_state_dict(state)
    return checkpoint.get('meta') or {}
