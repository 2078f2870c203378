"""From an official release to the files that the datasets read: all of them, or none."""

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..core.evaluation.catalog import protocol_file
from .release import Release, check_pictures, to_coco

_OWN_PROTOCOLS = re.compile(r'G\d+|all|cross|same')


def convert(
    read_release: Callable[[Path], Release],
    root: Path,
    out: Path | None = None,
    force: bool = False,
    decode: bool = False,
) -> Release:
    """Write ``train.json``, ``test.json`` and ``protocol/{name}.npz``.

    Everything is read, checked and written into a temporary folder inside ``out`` before the first
    file takes its name. Protocols of an earlier conversion that are not written anew are removed.

    Args:
        read_release: gives scenes, protocols, counts and notes of the release under ``root``.
        root: folder of the official release.
        out: where the files go; ``root`` by default.
        force: replace files of an earlier conversion.
        decode: decode every picture whole, which takes minutes for the official releases.

    Raises:
        FileExistsError: where a file of an earlier conversion stands and ``force`` is off.
        FileNotFoundError, ValueError, OSError: where the release is incomplete or broken.
    """
    out = out or root
    if not root.is_dir():
        raise FileNotFoundError(f'{root}: no such folder; give the folder of the official release')
    present = [path for path in _outputs(out) if path.exists()]
    if present and not force:
        raise FileExistsError(f'{present[0]}: is there already; add --force to replace it')
    release = read_release(root)
    names = [scene.name for scenes in release.splits.values() for scene in scenes]
    sizes = check_pictures(release.folder, names, decode)
    written = {split: to_coco(scenes, sizes, release) for split, scenes in release.splits.items()}
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.convert-', dir=out) as temporary:
        stage = Path(temporary)
        for split, content in written.items():
            (stage / f'{split}.json').write_text(json.dumps(content, separators=(',', ':')))
        for protocol in release.protocols():
            protocol.save(protocol_file(stage, protocol.name))
        protocol_file(out, 'all').parent.mkdir(exist_ok=True)
        fresh = {out / path.relative_to(stage): path for path in stage.rglob('*.*')}
        for path in sorted({*_outputs(out)} - {*fresh}):
            path.unlink(missing_ok=True)
        for path in sorted(fresh):
            os.replace(fresh[path], path)
    return release


def _outputs(out: Path) -> list[Path]:
    stored = sorted(protocol_file(out, 'all').parent.glob('*.npz'))
    own = [path for path in stored if _OWN_PROTOCOLS.fullmatch(path.stem)]
    return [out / 'train.json', out / 'test.json', *own]


def run_converter(what: str, read_release: Callable[[Path], Release]) -> None:
    """Command line of a converter for the benchmark ``what``; see ``convert``."""
    parser = argparse.ArgumentParser(
        description=f'Convert the official {what} release to train.json, test.json and protocol/.'
    )
    parser.add_argument('root', type=Path, help='folder of the official release')
    parser.add_argument('--out', type=Path, help='folder to write to (default: the release)')
    parser.add_argument('--force', action='store_true', help='replace an earlier conversion')
    parser.add_argument('--decode', action='store_true', help='decode every picture whole (slow)')
    args = parser.parse_args()
    release = convert(read_release, args.root, args.out, args.force, args.decode)
    print_summary(release, args.out or args.root)


def print_summary(release: Release, out: Path) -> None:
    """Say what a conversion has left out, and what there is under ``out`` now."""
    for note in [release.count_note(), *release.notes]:
        if note:
            sys.stderr.write(f'warning: {note}\n')
    counts = ', '.join(f'{count} {what}' for what, count in release.counts().items())
    sys.stdout.write(f'{out}: {counts}\n')
