"""What a gallery is filled from: pictures, folders, globs, videos, streams and cameras."""

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import cv2

PICTURE, VIDEO, STREAM = 'picture', 'video', 'stream'
# What is looked for in folders; a file that is named itself may end as it likes.
PICTURE_ENDINGS = frozenset(
    'avif bmp dib exr gif hdr jp2 jpe jpeg jpg pbm pfm pgm pic png pnm ppm pxm ras sr tif tiff '
    'webp'.split()
)
VIDEO_ENDINGS = frozenset(
    '264 265 3g2 3gp asf avi divx dv f4v flv h264 h265 hevc m2ts m2v m4v mjpeg mjpg mkv mov mp4 '
    'mpeg mpg mts mxf ogv qt rm rmvb ts vob webm wmv y4m'.split()
)
Given = str | os.PathLike | int


@dataclass(frozen=True)
class Source:
    """One picture, video or stream.

    Attributes:
        name: What a gallery calls it: the absolute path, ``camera:0``, or the address without user
            name and password.
        kind: ``'picture'``, ``'video'`` or ``'stream'``.
        address: What OpenCV opens.
    """

    name: str
    kind: str
    address: str | int

    def stamp(self) -> str:
        """Size and time of last change of the file: what tells that it has changed.

        Raises:
            OSError: The file is gone.
        """
        state = os.stat(self.address)
        return f'{state.st_size} bytes, {state.st_mtime_ns} ns'


def expand_sources(given: Given | Sequence[Given]) -> list[Source]:
    """Find every picture, video and stream that is meant.

    Folders are gone through with all that is in them, in the order of names; of their files those
    count whose ending is one of a picture or video. Names that begin with a dot are passed over.

    Args:
        given: Paths, globs (``**`` for any folders between), addresses such as ``rtsp://...`` and
            camera numbers; one or several.

    Returns:
        Each once, in the order given.

    Raises:
        FileNotFoundError: No such file or folder, or nothing that fits a glob.
        ValueError: Nothing is given, or there is no picture and no video in a folder.
        OSError: A folder that cannot be listed.
    """
    several = [given] if isinstance(given, str | os.PathLike | int) else list(given)
    if not several:
        raise ValueError('no source is given: name pictures, folders, videos or streams')
    found: dict[str, Source] = {}
    for one in several:
        for source in _expand(one):
            found.setdefault(source.name, source)
    return list(found.values())


def _expand(given: Given) -> Iterable[Source]:
    if isinstance(given, int):
        return [Source(f'camera:{given}', STREAM, given)]
    text = os.fspath(given)
    if re.match(r'[A-Za-z][A-Za-z0-9+.-]*://', text):
        return [Source(_without_password(text), STREAM, text)]
    if os.path.isdir(text):
        return _folder(text)
    if os.path.exists(text):
        return [_file(text)]
    if text.isdigit():
        return [Source(f'camera:{int(text)}', STREAM, int(text))]
    if not glob.has_magic(text):
        raise FileNotFoundError(f'{text}: no such file or folder')
    matches = sorted(glob.glob(text, recursive=True))
    if not matches:
        raise FileNotFoundError(f'{text}: nothing fits this pattern')
    found = [
        source
        for match in matches
        for source in (_walk(match) if os.path.isdir(match) else _known(match))
    ]
    if not found:
        raise ValueError(f'{text}: no picture and no video fits this pattern')
    return found


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition('@')[2]))


def _ending(path: str) -> str:
    return os.path.splitext(path)[1][1:].lower()


def _file(path: str) -> Source:
    """Tell a named file's kind by its ending, else by its first bytes."""
    ending = _ending(path)
    picture = ending in PICTURE_ENDINGS
    if not picture and ending not in VIDEO_ENDINGS:
        picture = cv2.haveImageReader(path)
    return Source(os.path.abspath(path), PICTURE if picture else VIDEO, os.path.abspath(path))


def _known(path: str) -> list[Source]:
    return [_file(path)] if _ending(path) in PICTURE_ENDINGS | VIDEO_ENDINGS else []


def _folder(path: str) -> list[Source]:
    found = list(_walk(path))
    if not found:
        raise ValueError(f'{path}: there is no picture and no video in this folder')
    return found


def _walk(path: str) -> Iterator[Source]:
    def refuse(error: OSError) -> None:
        raise error

    for folder, inner, files in os.walk(path, onerror=refuse):
        inner[:] = sorted(name for name in inner if not name.startswith('.'))
        for name in sorted(files):
            if not name.startswith('.'):
                yield from _known(os.path.join(folder, name))
