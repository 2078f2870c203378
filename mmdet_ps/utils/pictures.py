"""Pictures on disk: found, whole, and read the way the annotations were made."""

import os
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

_JPEG_START, _JPEG_SCAN, _JPEG_END = b'\xff\xd8', b'\xff\xda', b'\xff\xd9'
_PNG_START, _PNG_END = b'\x89PNG', b'IEND'
_TAIL_BYTES = 4096
# What Pillow raises for a header that is cut off, changed, or of a picture too large to be meant.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    NotImplementedError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class PictureError(OSError):
    """A picture that is not there, is cut off, or is no picture; the message names the file."""


def is_truncated(data: bytes) -> bool:
    """Whether a JPEG or PNG file is cut off; other formats are left to their decoder.

    OpenCV before version 5 fills the missing part of a cut JPEG with grey and says nothing, so the
    end marker is looked for. Inside compressed JPEG data no marker can occur, hence a whole file
    has its end marker behind its last scan; that of an embedded thumbnail stands before that scan.
    """
    if data.startswith(_JPEG_START):
        return data.rfind(_JPEG_END) < max(data.rfind(_JPEG_SCAN), len(_JPEG_START))
    if data.startswith(_PNG_START):
        return _PNG_END not in data[-_TAIL_BYTES:]
    return False


def decode_picture(data: bytes, name: str) -> np.ndarray:
    """Decode a picture.

    Args:
        data: the whole file.
        name: what error messages call it.

    Returns:
        (H, W, 3) uint8, BGR. An orientation flag in the file is ignored, so that width and height
        are those of the header, which the annotations were made with.

    Raises:
        PictureError: where ``data`` is empty, cut off or no picture.
    """
    if not data:
        raise PictureError(f'{name}: the picture is empty (0 bytes); copy it again')
    if is_truncated(data):
        raise PictureError(f'{name}: the picture is truncated; copy it again')
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:  # more pixels than OpenCV takes, or than there is memory for
        raise PictureError(f'{name}: not a readable picture ({_line(error)})') from None
    if picture is None:
        raise PictureError(f'{name}: not a readable picture; copy it again')
    return picture


def picture_size(path: str | os.PathLike) -> tuple[int, int]:
    """(width, height) in pixels, from the header; looks for the end of the file, does not decode.

    Raises:
        PictureError: where the file is missing, empty, cut off or no picture.
    """
    try:
        with Image.open(path) as picture:
            size = picture.size
        with open(path, 'rb') as stream:
            stream.seek(max(os.path.getsize(path) - _TAIL_BYTES, 0))
            tail = stream.read()
    except FileNotFoundError:
        raise PictureError(f'{path}: no such picture') from None
    except _BROKEN as error:
        raise PictureError(
            f'{path}: not a readable picture ({_line(error)}); copy it again'
        ) from None
    ends = tail.rfind(_JPEG_END) > tail.rfind(_JPEG_SCAN) or _PNG_END in tail
    if not ends and is_truncated(Path(path).read_bytes()):
        raise PictureError(f'{path}: the picture is truncated; copy it again')
    return size


def _line(error: Exception) -> str:
    return ' '.join(str(error).split())


def missing_pictures(folder: str | os.PathLike, names: Iterable[str]) -> list[str]:
    """Those of ``names`` (paths relative to ``folder``) that do not exist, in the order given.

    Lists each folder once in place of asking for every file, which matters on network file systems.
    """
    by_parent: dict[str, list[str]] = defaultdict(list)
    names = list(names)
    for name in names:
        by_parent[os.path.dirname(name)].append(name)
    missing: set[str] = set()
    for parent, inside in by_parent.items():
        path = os.path.join(folder, parent)
        present = set(os.listdir(path)) if os.path.isdir(path) else set()
        missing.update(name for name in inside if os.path.basename(name) not in present)
    return [name for name in names if name in missing]


def has_area(box: Sequence[float] | np.ndarray) -> np.ndarray:
    """(...,) bool: which boxes (..., 4) ``[x y w h]`` are at least a pixel wide and high.

    Smaller ones have no area in whole pixels, in which protocols are evaluated.
    """
    return (np.asarray(box)[..., 2:] >= 1).all(axis=-1)


def box_position(box: Sequence[float], width: float, height: float) -> str:
    """Where a box ``[x y w h]`` lies in a picture: ``'inside'``, ``'partly'`` or ``'outside'``."""
    x, y, w, h = box
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        return 'outside'
    return 'inside' if x >= 0 and y >= 0 and x + w <= width and y + h <= height else 'partly'
