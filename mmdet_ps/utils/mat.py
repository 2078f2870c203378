"""Matlab files, indexed as ``scipy.io.loadmat`` returns their nested cells and records."""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

# What scipy raises for a file that is cut off, changed, or of the HDF5 form.
_BROKEN = (
    MatReadError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    NotImplementedError,
    OverflowError,
    MemoryError,
    zlib.error,
)


def load_mat(path: str | os.PathLike, *keys: str) -> np.ndarray:
    """The first of ``keys`` that the file holds.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where the file is truncated, no Matlab file, or holds none of ``keys``.
    """
    try:
        with open(path, 'rb') as stream:
            content = loadmat(stream)
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path}: no such file; unpack the official release whole and give its folder as ROOT'
        ) from None
    except _BROKEN as error:
        raise ValueError(
            f'{path}: truncated or no Matlab file ({error}); unpack the release again'
        ) from None
    for key in keys:
        if key in content:
            return content[key]
    found = [key for key in content if not key.startswith('__')]
    raise ValueError(f'{path}: holds {found}, not {" or ".join(keys)}; unpack the release again')


@contextmanager
def official_structure(path: str | os.PathLike) -> Iterator[None]:
    """Name the file where indexing its content fails because it is built otherwise.

    Raises:
        ValueError: in place of what numpy raises inside the block.
    """
    try:
        yield
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{path}: not of the official structure ({error}); unpack the release again'
        ) from None


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
