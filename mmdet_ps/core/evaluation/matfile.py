"""Streaming reader of MATLAB 5 files, for what ``scipy.io.loadmat`` cannot do in little memory.

TestG4000.mat holds 11.6 million gallery records in a single compressed variable: as Python objects
they take tens of GiB. Here the variable is inflated piece by piece, one record of its outermost
struct array at a time, and a struct array of gallery records is cut at the positions of its
elements without building a Python object for each value.

Format: MathWorks, "MAT-File Format", level 5. An element is an 8-byte tag (type, size) and its
    data, padded to 8
bytes; up to 4 bytes of data may sit inside the tag. A matrix is an element made of flags,
dimensions, name and data.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)
_DTYPES: dict[int, np.dtype] = {
    1: np.dtype('i1'), 2: np.dtype('u1'), 3: np.dtype('<i2'), 4: np.dtype('<u2'),
    5: np.dtype('<i4'), 6: np.dtype('<u4'), 7: np.dtype('<f4'), 9: np.dtype('<f8'),
    12: np.dtype('<i8'), 13: np.dtype('<u8'),
}  # fmt: skip
_ENCODINGS = {1: 'utf-8', 2: 'utf-8', 4: 'utf-16-le', 16: 'utf-8', 17: 'utf-16-le', 18: 'utf-32-le'}
_CHUNK = 1 << 18


class _Stream:
    """Bytes of one top-level element, inflated on the way where it is compressed."""

    def __init__(self, stream: IO[bytes], size: int, compressed: bool) -> None:
        self._stream, self._left = stream, size
        self._inflate = zlib.decompressobj() if compressed else None
        self._ready = bytearray()

    def _more(self, wanted: int) -> bytes:
        if self._inflate is None:
            data = self._stream.read(min(wanted, self._left))
            self._left -= len(data)
            return data
        data = self._inflate.unconsumed_tail
        if not data:
            data = self._stream.read(min(_CHUNK, self._left))
            self._left -= len(data)
        return self._inflate.decompress(data, max(wanted, _CHUNK)) if data else b''

    def read(self, size: int) -> bytes:
        while len(self._ready) < size:
            data = self._more(size - len(self._ready))
            if not data and not (self._inflate and self._inflate.unconsumed_tail):
                raise ValueError('ends in the middle of a record')
            self._ready += data
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data

    def element(self) -> tuple[int, bytes]:
        """Type and data of the next element."""
        tag = self.read(8)
        kind, size = np.frombuffer(tag, '<u4')
        if kind >> 16:
            return int(kind & 0xFFFF), tag[4 : 4 + int(kind >> 16)]
        data = self.read(int(size))
        self.read(-int(size) % 8)
        return int(kind), data


class Matrix:
    """One matrix element in memory; ``data`` is what follows its tag."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.kind, self._position = 0, 0
        self.dims: tuple[int, ...] = (0, 0)
        if not data:
            return
        self.kind = self._next()[1][0]
        self.dims = tuple(np.frombuffer(self._next()[1], '<i4').tolist())
        self._next()

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.dims))

    def _next(self) -> tuple[int, bytes]:
        start = self._position
        kind, size = np.frombuffer(self._data, np.dtype('<u4'), 2, start)
        if kind >> 16:
            self._position += 8
            return int(kind & 0xFFFF), self._data[start + 4 : start + 4 + int(kind >> 16)]
        self._position += 8 + int(size) + -int(size) % 8
        return int(kind), self._data[start + 8 : start + 8 + int(size)]

    def value(self) -> Any:
        """Text of a char matrix, array of a numeric one (empty for other empty ones).

        Raises:
            ValueError: for a matrix of any other class.
        """
        if self.size == 0:
            return '' if self.kind == _CHAR else np.zeros(0)
        kind, data = self._next()
        if self.kind == _CHAR:
            return data.decode(_ENCODINGS[kind])
        if self.kind in _NUMERIC:
            return np.frombuffer(data, _DTYPES[kind]).reshape(self.dims, order='F')
        raise ValueError(f'has a value of an unexpected class ({self.kind})')

    def fields(self) -> StructArray:
        """Cut a struct array into its elements."""
        if self.kind != _STRUCT:
            raise ValueError(f'has a matrix of class {self.kind} where a struct is expected')
        length = int(np.frombuffer(self._next()[1], '<i4')[0])
        names = _field_names(self._next()[1], length)
        return StructArray(self._data[self._position :], names, self.size)


def _field_names(data: bytes, length: int) -> list[str]:
    parts = [data[i : i + length] for i in range(0, len(data), length)]
    return [part.split(b'\0')[0].decode() for part in parts]


class StructArray:
    """n records of a struct array: the position of every field, not yet its value."""

    def __init__(self, data: bytes, names: list[str], count: int) -> None:
        self._data, self._names, self._count = data, names, count
        self._words = np.frombuffer(data, '<u4', len(data) // 4)
        sizes = self._words[1::2].tolist()
        positions, position = [], 0
        for _ in range(count * len(names)):
            positions.append(position)
            position += 8 + sizes[position >> 3]
        self._positions = np.array(positions, np.int64).reshape(count, len(names))

    def __len__(self) -> int:
        return self._count

    def starts(self, name: str) -> np.ndarray:
        """(n,) byte position of the field's element in each record."""
        if name not in self._names:
            raise ValueError(f'has records without the field {name} (fields: {self._names})')
        return self._positions[:, self._names.index(name)]

    def matrix(self, name: str, record: int) -> Matrix:
        """The field of one record."""
        start = int(self.starts(name)[record])
        size = int(self._words[start // 4 + 1])
        return Matrix(self._data[start + 8 : start + 8 + size])

    def filled(self, name: str) -> np.ndarray:
        """Indices of the records whose field is not empty."""
        starts = self.starts(name) // 4
        # 8 words lie before the two dimensions: tag, flags with their tag, tag of the dimensions.
        regular = self._words[starts + 1] > 0
        dims = np.where(regular, starts + 8, 0)
        plain = ~regular | (self._words[np.where(regular, starts + 7, 0)] == 8)
        if not plain.all():
            return np.array([i for i in range(self._count) if self.matrix(name, i).size], np.int64)
        return np.flatnonzero(regular & (self._words[dims] * self._words[dims + 1] > 0))

    def texts(self, name: str) -> list[bytes]:
        """The field of all records as UTF-8 bytes."""
        starts = self.starts(name) // 4
        words = self._words
        regular = (words[starts + 1] > 48) & (words[np.minimum(starts + 7, len(words) - 1)] == 8)
        if not regular.all():
            return self._texts_one_by_one(name)
        # A char matrix with two dimensions and no name: tag, flags, dimensions, empty name, then
        # the text.
        small = words[starts + 12] >> 16
        kinds = np.where(small, words[starts + 12] & 0xFFFF, words[starts + 12])
        plain = (words[starts + 4] & 0xFF == _CHAR) & (words[starts + 11] == 0)
        plain &= (kinds == 1) | (kinds == 2) | (kinds == 16)
        if not plain.all():
            return self._texts_one_by_one(name)
        lengths = np.where(small, small, words[starts + 13])
        begins = starts * 4 + np.where(small, 52, 56)
        columns = np.arange(int(lengths.max()))
        places = np.minimum(begins[:, None] + columns, len(self._data) - 1)
        letters = np.frombuffer(self._data, np.uint8)[places]
        letters[columns >= lengths[:, None]] = 0
        return letters.view(f'S{len(columns)}').ravel().tolist()

    def _texts_one_by_one(self, name: str) -> list[bytes]:
        return [str(self.matrix(name, i).value()).encode() for i in range(self._count)]


def stream_records(
    path: str | os.PathLike, pattern: str
) -> Iterator[tuple[str, dict[str, Matrix]]]:
    """Go through the records of the struct array whose variable name matches ``pattern``.

    One record is in memory at a time.

    Yields:
        Name of the variable, and the fields of the record.

    Raises:
        ValueError: where the file is no MATLAB 5 file, broken, or has no such variable.
    """
    try:
        with open(path, 'rb') as stream:
            yield from _records(stream, pattern)
    except (ValueError, KeyError, IndexError, zlib.error) as error:
        raise ValueError(f'{path}: {error}') from None


def _records(stream: IO[bytes], pattern: str) -> Iterator[tuple[str, dict[str, Matrix]]]:
    header = stream.read(128)
    if header[124:128] != b'\x00\x01IM':
        raise ValueError('not a little-endian MATLAB 5 file (save it with -v7, not -v7.3)')
    seen = []
    while tag := stream.read(8):
        if len(tag) < 8:
            raise ValueError('ends in the middle of a record')
        kind, size = (int(word) for word in np.frombuffer(tag, '<u4'))
        end = stream.tell() + size
        if kind not in (_MATRIX, _COMPRESSED):
            raise ValueError(f'holds an element of unknown type {kind}')
        source = _Stream(stream, size, kind == _COMPRESSED)
        if kind == _COMPRESSED:
            source.read(8)
        flags, dims, name = (source.element()[1] for _ in range(3))
        seen.append(name.decode())
        if re.fullmatch(pattern, seen[-1]):
            if flags[0] != _STRUCT:
                raise ValueError(f'variable {seen[-1]} is not a struct array')
            count = int(np.prod(np.frombuffer(dims, '<i4')))
            length = int(np.frombuffer(source.element()[1], '<i4')[0])
            fields = _field_names(source.element()[1], length)
            for _ in range(count):
                yield seen[-1], {field: Matrix(source.element()[1]) for field in fields}
            return
        stream.seek(end)
    raise ValueError(f'no variable that matches {pattern} (variables: {", ".join(seen) or "none"})')
