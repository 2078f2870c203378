"""Matlab files, indexed as ``scipy.io.loadmat`` returns their nested cells and records."""

import os
from typing import Any

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError


def load_mat(path: str | os.PathLike, *keys: str) -> np.ndarray:
    """The first of ``keys`` that the file holds.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where the file is truncated, no Matlab file, or holds none of ``keys``.
    """
    try:
        content = loadmat(path)
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path}: no such file; unpack the official release whole and give its folder as ROOT'
        ) from None
    except (MatReadError, OSError, ValueError, TypeError, EOFError, NotImplementedError) as error:
        raise ValueError(
            f'{path}: truncated or no Matlab file ({error}); unpack the release again'
        ) from None
    for key in keys:
        if key in content:
            return content[key]
    found = [key for key in content if not key.startswith('__')]
    raise ValueError(f'{path}: holds {found}, not {" or ".join(keys)}; unpack the release again')


def text(cell: Any) -> str:
    """The string in a cell, however deep."""
    while isinstance(cell, np.ndarray):
        cell = cell.flat[0]
    return str(cell)


def box(cell: Any) -> np.ndarray:
    """(4,) float64 x y w h of an ``idlocate``; (0,) where it is empty."""
    while isinstance(cell, np.ndarray) and cell.dtype == object and cell.size == 1:
        cell = cell.flat[0]
    return np.asarray(cell, dtype=np.float64).reshape(-1)
