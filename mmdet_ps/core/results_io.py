"""Results files: a pickled list with one dict an image, read by a loader that cannot run code.

``save_results`` writes a plain pickle, so that ``mmcv.load`` and other people's scripts read it.
``load_results`` builds nothing but lists, dicts, tuples, texts, numbers and NumPy arrays, whatever
a file asks for.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.io import atomic_write


def save_results(path: str | os.PathLike, results: list[dict[str, Any]]) -> None:
    """Write results, whole or not at all."""
    with atomic_write(path) as stream:
        pickle.dump(results, stream, protocol=4)


def load_results(path: str | os.PathLike, trust: bool = False) -> list[dict[str, Any]]:
    """Read a results file.

    Args:
        path: file of :func:`save_results`, ``mmcv.dump`` or ``pickle.dump``, with arrays of NumPy 1
            or 2.
        trust: read it with the unrestricted loader, which runs code that the file brings; for files
            of one's own.

    Returns:
        One dict an image.

    Raises:
        FileNotFoundError: without such a file.
        ValueError: where the file asks for anything but plain data and arrays, is broken, or holds
            no list of dicts.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'results file {path} does not exist: make it with --out')
    try:
        with open(path, 'rb') as stream:
            results = (pickle.Unpickler if trust else PlainUnpickler)(stream).load()
    except RefusedPickle as error:
        raise ValueError(
            f'{path} asks for {error} while it is read, which is no plain data: refused, since '
            'that can run code (--trust reads a file of your own)'
        ) from None
    except Exception as error:
        raise ValueError(f'{path} is not a readable results file: {error}') from None
    if not isinstance(results, list) or not all(isinstance(entry, dict) for entry in results):
        raise ValueError(f'{path} does not hold a list with one dict an image')
    return results


class RefusedPickle(pickle.UnpicklingError):
    """What a file asked for and does not get."""


def _latin1(text: str, encoding: str) -> bytes:
    """How protocols 0 - 2 bring the bytes of an array."""
    if encoding != 'latin1':
        raise RefusedPickle(f'the encoding {encoding}')
    return text.encode('latin1')


def _no_bytes() -> bytes:
    """How protocols 0 - 2 bring the bytes of an empty array."""
    return b''


def _plain_dtype(spec: Any, align: bool = False, copy: bool = False) -> np.dtype:
    dtype = np.dtype(spec, align, copy)
    if dtype.kind not in 'biufcSU':
        raise RefusedPickle(f'an array of {dtype}')
    return dtype


# What plain arrays and NumPy numbers are made with; NumPy 1 says numpy.core, NumPy 2 numpy._core.
_ALLOWED: dict[str, Any] = {
    'numpy.ndarray': np.ndarray,
    'numpy.dtype': _plain_dtype,
    'numpy._core.multiarray._reconstruct': np.zeros(1).__reduce__()[0],
    'numpy._core.multiarray.scalar': np.float64(0).__reduce__()[0],
    'numpy._core.numeric._frombuffer': np.zeros(1).__reduce_ex__(5)[0],
    '_codecs.encode': _latin1,
    '__builtin__.bytes': _no_bytes,
}


class PlainUnpickler(pickle.Unpickler):
    """Knows no global but the few of ``_ALLOWED``."""

    def find_class(self, module: str, name: str) -> Any:
        """Give one of the few, or refuse."""
        full = f'{module.replace("numpy.core.", "numpy._core.")}.{name}'
        if full not in _ALLOWED:
            raise RefusedPickle(f'{module}.{name}')
        return _ALLOWED[full]
