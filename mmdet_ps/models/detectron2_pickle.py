"""Reading detectron2's pickles of arrays: the file is taken as a description, nothing is called.

What a pickle asks to be called (``numpy.core.multiarray._reconstruct`` and the like) is recorded,
and arrays are then built here from the type's name, the shape and the bytes that the record states,
each checked. NumPy's own functions would believe the file: a pickle of 2 KB can make them read
memory that is not theirs.
"""

import io
import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

# What pickled arrays ask for; NumPy 1 says numpy.core, NumPy 2 numpy._core.
_RECONSTRUCT = 'numpy._core.multiarray._reconstruct'
_FROMBUFFER = 'numpy._core.numeric._frombuffer'
_ENCODE = '_codecs.encode'
_KNOWN = {
    _RECONSTRUCT,
    _FROMBUFFER,
    _ENCODE,
    'numpy._core.multiarray.scalar',
    'numpy.ndarray',
    'numpy.dtype',
    '__builtin__.bytes',
}
_MOST_AXES, _LONGEST = 8, 1 << 40
_TYPES = ('f2', 'f4', 'f8', 'i1', 'i2', 'i4', 'i8', 'u1', 'b1')


class _Record:
    """A thing that the file asks for by name, what it is called with, and the state it is given."""

    __slots__ = ('name', 'args', 'state')

    def __init__(self, name: str, args: tuple = (), state: Any = None):
        self.name, self.args, self.state = name, args, state

    def __call__(self, *args: Any) -> '_Record':
        return _Record(self.name, args)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Table(dict):
    """A dict by texts and numbers alone: hashing deeply nested keys could exhaust the stack."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, str | bytes | int | float):
            raise pickle.UnpicklingError(f'a dict with a {type(key).__name__} as key')
        super().__setitem__(key, value)


class _Refused(pickle.UnpicklingError):
    """What a file asked for and does not get."""


class _Reader(pickle._Unpickler):
    """Python's own reader in its Python form, whose steps can be chosen: plain values and records.

    The faster form in C makes room for as many remembered objects as a file states, and both forms
    for as long a byte array.
    """

    def find_class(self, module: str, name: str) -> Any:
        full = f'{module.replace("numpy.core.", "numpy._core.")}.{name}'
        if full not in _KNOWN:
            raise _Refused(f'{module}.{name}')
        return _Record(full)

    def load_empty_dictionary(self) -> None:
        self.append(_Table())

    def load_dict(self) -> None:
        items, table = self.pop_mark(), _Table()
        for key, value in zip(items[::2], items[1::2], strict=True):
            table[key] = value
        self.append(table)

    def load_bytearray8(self) -> None:
        self.append(bytearray(self.read(int.from_bytes(self.read(8), 'little'))))

    # Sets hash what they hold, and the rest makes objects in other ways than by calling a record.
    dispatch = {
        code: step
        for code, step in pickle._Unpickler.dispatch.items()
        if bytes([code])
        not in (
            pickle.EMPTY_SET,
            pickle.FROZENSET,
            pickle.ADDITEMS,
            pickle.INST,
            pickle.OBJ,
            pickle.NEWOBJ,
            pickle.NEWOBJ_EX,
            pickle.EXT1,
            pickle.EXT2,
            pickle.EXT4,
        )
    } | {
        pickle.EMPTY_DICT[0]: load_empty_dictionary,
        pickle.DICT[0]: load_dict,
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }


def read_arrays(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Read the arrays of a detectron2 or Caffe2 pickle.

    Args:
        path: A pickled dict with arrays by name under ``model`` or ``blobs``, or at its top.

    Yields:
        Name and array, which is of its own memory and in the machine's byte order.

    Raises:
        ValueError: Where the file asks for anything but arrays and plain values, is broken, or
            holds something else.
    """
    data = path.read_bytes()
    try:
        content = _Reader(io.BytesIO(data), encoding='latin1').load()
    except _Refused as error:
        raise ValueError(
            f'{path} asks for {error} while it is read: refused, since that can run code'
        ) from None
    except Exception as error:
        raise ValueError(
            f'{path}: truncated or no detectron2 pickle ({str(error) or type(error).__name__})'
        ) from None
    if not isinstance(content, dict):
        raise ValueError(f'{path}: no detectron2 pickle, it holds a {type(content).__name__}')
    for key in ('model', 'blobs'):
        if isinstance(content.get(key), dict):
            content = content[key]
            break
    left = len(data)
    for name, record in content.items():
        named = isinstance(name, str) and isinstance(record, _Record)
        if named and record.name in (_RECONSTRUCT, _FROMBUFFER):
            try:
                array = _array(record)
            except (ValueError, TypeError, AttributeError, IndexError) as error:
                raise ValueError(f'{path}: {name} is no array ({error})') from None
            # A file that names one array again and again could fill the memory.
            left -= array.nbytes
            if left < 0:
                raise ValueError(f'{path}: the arrays up to {name} are larger than the file')
            yield name, array


def _array(record: _Record) -> np.ndarray:
    if record.name == _FROMBUFFER:
        data, kind, shape, order = record.args
    else:
        _, shape, kind, fortran, data = record.state
        order = 'F' if fortran else 'C'
    if isinstance(data, _Record):
        # Protocols 0 - 2 bring bytes as text; those of an empty array as bytes() alone.
        data = data.args[0] if data.name == _ENCODE else b''
    if isinstance(data, str):
        data = data.encode('latin1')
    name, byte_order = kind.args[0], '=' if kind.state is None else kind.state[1]
    if name not in _TYPES or byte_order not in ('<', '>', '|', '='):
        raise ValueError('of a type that is not known')
    dtype = np.dtype(name if byte_order == '|' else byte_order + name)
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES:
        raise ValueError('without a shape')
    if not all(isinstance(length, int) and 0 <= length <= _LONGEST for length in shape):
        raise ValueError('of a shape that cannot be')
    if not isinstance(data, bytes | bytearray) or len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f'{dtype} of shape {shape} has other bytes')
    array = np.frombuffer(data, dtype).reshape(shape, order=order)
    return array.astype(dtype.newbyteorder('='))
