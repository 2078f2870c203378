"""``.npz`` files of plain arrays: written whole or not at all, and read without trust in them."""

import lzma
import os
import struct
import sys
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np

from .io import atomic_write

# Numbers and texts; anything else would need a pickle or hides fields.
_KINDS = 'biufUS'
# What zipfile, zlib and NumPy's header parser raise for a file that is cut off or changed.
_BROKEN = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    EOFError,
    OverflowError,
    MemoryError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def write_arrays(path: str | os.PathLike, arrays: dict[str, Any], compress: bool = False) -> None:
    """Write arrays by name.

    Args:
        path: the file, whose folder is made where it is missing.
        arrays: numbers, texts and arrays of them.
        compress: whether to save space at the price of time.

    Raises:
        ValueError: for an array of anything but numbers and texts.
        OSError: where the file cannot be written.
    """
    ready = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in ready.items():
        if array.dtype.kind not in _KINDS:
            raise ValueError(f'{path}: {name} holds {array.dtype}, no numbers or texts')
    with atomic_write(path) as stream:
        (np.savez_compressed if compress else np.savez)(stream, **ready)


def read_arrays(path: str | os.PathLike, cure: str) -> dict[str, np.ndarray]:
    """Read all arrays of a file; nothing in it is run, and no size that it states is believed.

    Args:
        path: the file.
        cure: ends the message where the file is missing or broken.

    Returns:
        Arrays of numbers and texts by name; the caller checks names, types and shapes.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is no such file, broken, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                info.filename.removesuffix('.npy'): _read(archive, info)
                for info in archive.infolist()
            }
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such file; {cure}') from None
    except PermissionError:
        raise
    except IsADirectoryError:
        raise ValueError(f'{path}: is a folder, not an .npz file; {cure}') from None
    except _BROKEN as error:
        detail = ' '.join(str(error).split()) or type(error).__name__
        raise ValueError(f'{path}: not a readable .npz file ({detail}); {cure}') from None


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ValueError(f'{info.filename} is of the unknown version {version}')
        shape, fortran, dtype = read_header(stream)
        if dtype.kind not in _KINDS or any(length < 0 for length in shape):
            raise ValueError(f'{info.filename} holds {dtype} of shape {shape}')
        count = 1
        for length in shape:
            count *= length
        # One byte more than the header states: the end of the member is where its sum is checked.
        data = stream.read(min(count * dtype.itemsize, info.file_size) + 1)
    if len(data) != count * dtype.itemsize:
        raise ValueError(f'{info.filename} is not as long as its shape {shape} says')
    array = np.frombuffer(bytearray(data), dtype, count) if count else np.zeros(0, dtype)
    if dtype.kind == 'U' and count and dtype.itemsize:
        letters = array.view(np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if letters.max() > sys.maxunicode:
            raise ValueError(f'{info.filename} holds what is no text')
    return array.reshape(shape, order='F' if fortran else 'C')
