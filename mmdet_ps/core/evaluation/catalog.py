"""The search protocols of a dataset on disk, as the converters write them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

from .protocol import SearchProtocol

CONVERTER = 'python tools/dataset_converters/{cuhk_sysu,prw}.py'
_FOLDER = 'protocol'


def protocol_file(root: str | os.PathLike, name: str) -> Path:
    """Where the protocol ``name`` lies under a dataset's root."""
    return Path(root) / _FOLDER / f'{name}.npz'


def checksum(path: str | os.PathLike) -> int:
    """CRC-32 of a file's content."""
    return zlib.crc32(Path(path).read_bytes())


def load_protocols(
    root: str | os.PathLike, gallery_sizes: int | str | Sequence[int | str] = 'all'
) -> list[SearchProtocol]:
    """Read ``<root>/protocol/NAME.npz`` (or ``<root>/NAME.npz``) of each gallery.

    A protocol remembers the content of the official files that it was made of. Where one of them
    lies under ``root`` and has changed since, the protocol is refused; a file that was merely
    copied or touched has not changed.

    Args:
        root: folder of a converted release of CUHK-SYSU or PRW.
        gallery_sizes: one or several of 50 ... 4000 and ``all`` (CUHK-SYSU), or ``all``, ``cross``,
            ``same`` (PRW).

    Raises:
        FileNotFoundError: where there is no protocol at all.
        ValueError: for a gallery that is not there (listing those that are), a broken file, or one
            that was made of other official files.
    """
    root = Path(root)
    files = {path.stem: path for folder in (root, root / _FOLDER) for path in folder.glob('*.npz')}
    if not files:
        raise FileNotFoundError(
            f'{root}: no search protocol in {_FOLDER}/; write it with {CONVERTER} {root}, '
            'or give the query_file of data of your own'
        )
    protocols = []
    for size in [gallery_sizes] if isinstance(gallery_sizes, int | str) else gallery_sizes:
        name = f'G{size}' if str(size).isdigit() else str(size)
        if name not in files:
            raise ValueError(
                f'{root}: gallery {size!r} is unknown, there are '
                f'{", ".join(sorted(files))}; with its official file in place, '
                f'write it with {CONVERTER} {root} --force'
            )
        protocol = SearchProtocol.load(files[name])
        for source, known in protocol.sources.items():
            if (root / source).is_file() and checksum(root / source) != known:
                raise ValueError(
                    f'{files[name]}: was made of another {source} than is there now; '
                    f'write it anew with {CONVERTER} {root} --force'
                )
        protocols.append(protocol)
    return protocols
