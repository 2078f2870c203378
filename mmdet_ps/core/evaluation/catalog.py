"""Protocols of a dataset on disk: read from the release once, from compact files after that."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from .cuhk_sysu import CuhkSysuProtocol, testg_files, testg_folder
from .protocol import CAMERA_RULES, SearchProtocol
from .prw import PrwProtocol

FOLDER = 'protocol'


def protocol_file(root: str | os.PathLike, name: str) -> Path:
    """Where the compact form of protocol ``name`` lies under a dataset's root."""
    return Path(root) / FOLDER / f'{name}.npz'


def load_protocols(
    root: str | os.PathLike, gallery_sizes: int | str | Sequence[int | str] = 'all'
) -> list[SearchProtocol]:
    """Protocols of a dataset, from ``<root>/protocol/*.npz`` where they are up to date.

    A protocol that is missing there, or older than the official file, is read from the release and
    kept there.

    Args:
        root: unpacked release of CUHK-SYSU or PRW, or a folder with ``protocol/*.npz`` or ``*.npz``
            files.
        gallery_sizes: one or several of 50 ... 4000 and ``all`` (CUHK-SYSU), or ``all``, ``cross``,
            ``same`` (PRW).

    Raises:
        ValueError: for a name that does not exist (listing those that do).
        FileNotFoundError: where there is no protocol at all.
    """
    if isinstance(gallery_sizes, (int, str)):
        gallery_sizes = [gallery_sizes]
    kept = _kept_files(Path(root))
    sources = _sources(Path(root))
    if not kept and not sources:
        raise FileNotFoundError(
            f'no search protocol under {root}: expected {FOLDER}/*.npz, '
            'annotation/test/train_test/TestG*.mat (CUHK-SYSU) or query_info.txt (PRW)'
        )
    protocols = []
    for size in gallery_sizes:
        name = f'G{size}' if str(size).isdigit() else str(size)
        if name not in kept and name not in sources:
            known = ', '.join(sorted({*kept, *sources}, key=_by_size))
            raise ValueError(f'gallery {size!r} is unknown; {root} has {known}')
        if name in kept and _is_newer(kept[name], sources.get(name, [])):
            protocols.append(SearchProtocol.load(kept[name]))
        else:
            protocols.append(_read_and_keep(Path(root), name))
    return protocols


def _by_size(name: str) -> tuple[int, str]:
    return (int(name[1:]), '') if name[1:].isdigit() else (1 << 30, name)


def _kept_files(root: Path) -> dict[str, Path]:
    files = {path.stem: path for path in root.glob('*.npz')}
    return files | {path.stem: path for path in (root / FOLDER).glob('*.npz')}


def _sources(root: Path) -> dict[str, list[Path]]:
    """Official files that each protocol is read from."""
    if testg := testg_files(root):
        pool = root / 'annotation' / 'pool.mat'
        sources = {f'G{size}': [path] for size, path in testg.items()}
        return sources | ({'all': [testg[min(testg)], pool]} if pool.is_file() else {})
    if testg_folder(root).is_dir():
        raise FileNotFoundError(f'{testg_folder(root)} has no TestG*.mat')
    if (root / 'query_info.txt').is_file():
        files = [root / 'query_info.txt', root / 'frame_test.mat', root / 'annotations']
        return {rule: files for rule in CAMERA_RULES}
    return {}


def _is_newer(path: Path, sources: list[Path]) -> bool:
    stamp = path.stat().st_mtime
    return all(not source.exists() or source.stat().st_mtime <= stamp for source in sources)


def _read_and_keep(root: Path, name: str) -> SearchProtocol:
    protocol: SearchProtocol
    if testg_files(root):
        protocol = CuhkSysuProtocol.from_release(root, name)
    else:
        protocol = PrwProtocol.from_release(root, name)
    path = protocol_file(root, name)
    try:
        protocol.save(path)
    except OSError as error:
        warnings.warn(
            f'{path} cannot be written ({error}): it is read anew each time', stacklevel=3
        )
    return protocol
