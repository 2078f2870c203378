"""Reader of MATLAB 5 files, in little memory and without trust in what they state.

``scipy.io.loadmat`` ends with a segmentation fault on some changed files, and TestG4000.mat holds
11.6 million gallery records in a single compressed variable, which take tens of GiB as Python
objects. Here a variable is inflated piece by piece, on demand one record of its outermost struct
array at a time, and a struct array is cut at the positions of its elements without building a
Python object for each value.

Format: MathWorks, "MAT-File Format", level 5. An element is an 8-byte tag (type, size) and its
data, padded to 8 bytes; up to 4 bytes of data may sit inside the tag. A matrix is an element made
of flags, dimensions, name and data.
"""

import io
import math
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)
_DTYPES: dict[int, str] = {
    1: 'i1', 2: 'u1', 3: '<i2', 4: '<u2', 5: '<i4', 6: '<u4', 7: '<f4', 9: '<f8', 12: '<i8',
    13: '<u8',
}  # fmt: skip
_ENCODINGS = {1: 'utf-8', 2: 'utf-8', 4: 'utf-16-le', 16: 'utf-8', 17: 'utf-16-le', 18: 'utf-32-le'}
_CHUNK = 1 << 18
# A record of TestG4000 takes 0.7 MB, all of Images.mat some 20; more is that of a changed file.
_LARGEST = 1 << 28
_BROKEN = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
)


@contextmanager
def reading(path: str | os.PathLike, where: str = '') -> Iterator[None]:
    """Name the file, and the place in it, where its content is broken or built otherwise.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: in place of what is raised inside the block.
    """
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path}: no such file; unpack the official release whole and give its folder as ROOT'
        ) from None
    except _BROKEN as error:
        detail = ' '.join(str(error).split())
        raise ValueError(
            f'{path}: {where}truncated or not of the official structure ({detail}); '
            'unpack the release again'
        ) from None


class _Inflated(io.RawIOBase):
    """A compressed element of the file, inflated on the way."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left, self._inflate = stream, size, zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b''
        while not data and not self._inflate.eof:
            more = self._inflate.unconsumed_tail
            if not more:
                more = self._stream.read(min(_CHUNK, self._left))
                self._left -= len(more)
            if not more:
                raise ValueError('ends in the middle')
            data = self._inflate.decompress(more, len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _read(stream: IO[bytes], size: int) -> bytes:
    if size > _LARGEST:
        raise ValueError(f'states a size of {size} bytes')
    data = stream.read(size)
    if len(data) != size:
        raise ValueError('ends in the middle')
    return data


def _element(stream: IO[bytes]) -> tuple[int, bytes]:
    """Type and data of the next element."""
    tag = _read(stream, 8)
    kind, size = struct.unpack('<II', tag)
    if kind >> 16:
        return kind & 0xFFFF, tag[4 : 4 + (kind >> 16)]
    data = _read(stream, size)
    _read(stream, -size % 8)
    return kind, data


class Matrix:
    """One matrix element in memory; ``data`` is what follows its tag."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)
        self.kind, self.dims, self.name = 0, [0, 0], ''
        if data:
            self.kind = _element(self._stream)[1][0]
            self.dims = np.frombuffer(_element(self._stream)[1], '<i4').tolist()
            self.name = _element(self._stream)[1].decode()

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.dims)

    def value(self) -> Any:
        """Text of a char matrix, array of a numeric one (empty for other empty ones).

        Raises:
            ValueError: for a matrix of any other class.
        """
        if self.size == 0:
            return '' if self.kind == _CHAR else np.zeros(self.dims)
        kind, data = _element(self._stream)
        if self.kind == _CHAR:
            return data.decode(_ENCODINGS[kind])
        if self.kind in _NUMERIC:
            return np.frombuffer(data, _DTYPES[kind]).reshape(self.dims, order='F')
        raise ValueError(f'a value of an unexpected class, {self.kind}')

    def cells(self) -> list['Matrix']:
        """The matrices in a cell array."""
        if self.kind != _CELL:
            raise ValueError(f'a matrix of class {self.kind} where cells are expected')
        return [Matrix(_element(self._stream)[1]) for _ in range(self.size)]

    def fields(self) -> 'StructArray':
        """Cut a struct array into its elements; an empty matrix of any class is one without any."""
        if not self.size:
            return StructArray(b'', [], 0)
        if self.kind != _STRUCT:
            raise ValueError(f'a matrix of class {self.kind} where a struct is expected')
        names = _field_names(self._stream)
        return StructArray(self._stream.read(), names, self.size)


def _field_names(stream: IO[bytes]) -> list[str]:
    length = struct.unpack('<I', _element(stream)[1])[0]
    data = _element(stream)[1]
    return [data[i : i + length].split(b'\0')[0].decode() for i in range(0, len(data), length)]


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
        if position > len(data):
            raise ValueError('ends in the middle')
        self._positions = np.array(positions, np.int64).reshape(count, len(names))

    def __len__(self) -> int:
        return self._count

    def _starts(self, name: str) -> np.ndarray:
        """(n,) position, in words, of the field's element in each record."""
        if not self._count:
            return np.zeros(0, np.int64)
        if name not in self._names:
            raise ValueError(f'records without the field {name} (fields: {self._names})')
        return self._positions[:, self._names.index(name)] // 4

    def _plain(self, starts: np.ndarray) -> np.ndarray:
        """(n,) bool: matrices without a name and of two dimensions, whose data are at word 12.

        Before them lie the tag, flags with their tag, dimensions with theirs, and the empty name.
        """
        plain = self._words[starts + 1] >= 48
        inside = np.where(plain, starts, 0)
        return plain & (self._words[inside + 7] == 8) & (self._words[inside + 11] == 0)

    def matrix(self, name: str, record: int) -> Matrix:
        """The field of one record."""
        start = int(self._starts(name)[record])
        begin = 4 * start + 8
        return Matrix(self._data[begin : begin + int(self._words[start + 1])])

    def filled(self, name: str) -> np.ndarray:
        """Indices of the records whose field is not empty."""
        starts = self._starts(name)
        if not self._plain(starts).all():
            return np.flatnonzero([self.matrix(name, i).size > 0 for i in range(self._count)])
        return np.flatnonzero(self._words[starts + 8] * self._words[starts + 9])

    def texts(self, name: str) -> list[bytes]:
        """The field of all records as UTF-8 bytes."""
        starts, words = self._starts(name), self._words
        plain = self._plain(starts)
        if plain.all():
            tags = words[starts + 12]
            small = tags >> 16
            plain = np.isin(np.where(small, tags & 0xFFFF, tags), (1, 2, 16))
            plain &= words[starts + 4] & 0xFF == _CHAR
            lengths = np.where(small, small, words[starts + 13])
            plain &= lengths <= np.where(small, 4, words[starts + 1] - 48)
        if not plain.all() or not self._count:
            return [text(self.matrix(name, i)).encode() for i in range(self._count)]
        begins = starts * 4 + np.where(small, 52, 56)
        columns = np.arange(int(lengths.max()))
        places = np.minimum(begins[:, None] + columns, len(self._data) - 1)
        letters = np.frombuffer(self._data, np.uint8)[places]
        letters[columns >= lengths[:, None]] = 0
        return letters.view(f'S{len(columns)}').ravel().tolist()


def text(matrix: Matrix) -> str:
    """The text of a char matrix, or of the first one in nested cells.

    Raises:
        ValueError: where there is none, or an empty one.
    """
    while matrix.kind == _CELL and matrix.size:
        matrix = matrix.cells()[0]
    found = matrix.value() if matrix.kind == _CHAR else ''
    if not found or not found.isprintable():
        raise ValueError('no text where a name is expected')
    return found


def _top_level(stream: IO[bytes]) -> Iterator[tuple[IO[bytes], int]]:
    """A stream that has come to the matrix of each variable, and that matrix's size in bytes.

    The rest of a compressed variable is read before the next, since its sum stands at its end.
    """
    header = stream.read(128)
    if header[124:128] != b'\x00\x01IM':
        raise ValueError('no little-endian MATLAB 5 file; save it with -v7, not -v7.3')
    while tag := stream.read(8):
        kind, size = struct.unpack('<II', tag)
        end = stream.tell() + size
        compressed = kind == _COMPRESSED
        source = io.BufferedReader(_Inflated(stream, size), _CHUNK) if compressed else stream
        if compressed:
            kind, size = struct.unpack('<II', _read(source, 8))
        if kind != _MATRIX:
            raise ValueError(f'an element of the unknown type {kind}')
        yield source, size
        while compressed and source.read(_CHUNK):
            pass
        stream.seek(end)


def read_matrix(path: str | os.PathLike, *names: str) -> Matrix:
    """The first of ``names`` that the file holds.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where the file is truncated, no MATLAB 5 file, or holds none of ``names``.
    """
    with reading(path), open(path, 'rb') as stream:
        matrices = [Matrix(_read(source, size)) for source, size in _top_level(stream)]
    found = {matrix.name: matrix for matrix in matrices}
    for name in names:
        if name in found:
            return found[name]
    raise ValueError(
        f'{path}: holds {list(found)}, not {" or ".join(names)}; unpack the release again'
    )


def read_texts(path: str | os.PathLike, name: str) -> list[str]:
    """The strings of a cell array, each of which may occur once.

    Raises:
        FileNotFoundError, ValueError: as ``read_matrix``, and for a cell without text.
    """
    matrix = read_matrix(path, name)
    with reading(path):
        found = [text(cell) for cell in matrix.cells()]
        if len(set(found)) < len(found):
            raise ValueError(f'{Counter(found).most_common(1)[0][0]} occurs twice')
        return found


def stream_records(path: str | os.PathLike, prefix: str) -> Iterator[tuple[str, dict[str, Matrix]]]:
    """Go through the records of the struct array whose variable name begins with ``prefix``.

    One record is in memory at a time.

    Yields:
        Name of the variable, and the fields of the record.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where the file is no MATLAB 5 file, broken, or has no such variable.
    """
    with reading(path), open(path, 'rb') as stream:
        seen = []
        for source, _ in _top_level(stream):
            flags, dims, name = (_element(source)[1] for _ in range(3))
            seen.append(name.decode())
            if not seen[-1].startswith(prefix):
                continue
            if flags[0] != _STRUCT:
                raise ValueError(f'variable {seen[-1]} is not a struct array')
            fields = _field_names(source)
            for _ in range(math.prod(np.frombuffer(dims, '<i4').tolist())):
                yield seen[-1], {field: Matrix(_element(source)[1]) for field in fields}
        if not any(name.startswith(prefix) for name in seen):
            raise ValueError(f'variables {seen}, none of them {prefix}')
