"""Files that a browser sends, kept in a folder of the gallery."""

import hashlib
import os
import re
import shutil
from pathlib import Path

from ..gallery.sources import PICTURE_ENDINGS, VIDEO_ENDINGS
from ..utils.io import atomic_write

_LONGEST = 80


def keep_upload(path: str | os.PathLike, folder: str | os.PathLike) -> Path:
    """Copy a file into a folder, under a name that is made of its own and its content.

    The same file gets the same name again and stays as it is, so that a gallery that has it passes
    it; another file never takes its place.

    Args:
        path: Where it lies now; of its name only the letters, digits, ``-`` and ``_`` are used.
        folder: Made where it is missing.

    Raises:
        ValueError: Neither picture nor video by its ending.
    """
    path = Path(path)
    ending = path.suffix[1:].lower()
    if ending not in PICTURE_ENDINGS | VIDEO_ENDINGS:
        raise ValueError(f'{path.name}: neither a picture nor a video, by its ending')
    digest = hashlib.blake2b(digest_size=6)
    with open(path, 'rb') as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    stem = re.sub(r'[^\w-]+', '_', path.stem)[:_LONGEST].strip('_') or 'upload'
    kept = Path(folder) / f'{stem}-{digest.hexdigest()}.{ending}'
    if not kept.exists():
        with open(path, 'rb') as stream, atomic_write(kept) as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
    return kept
