"""A checkpoint that the authors of AlignPS published -> one for its config in configs/released."""

import argparse
from pathlib import Path
from typing import Any

from mmdet_ps.utils.cli import run_tool

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'released'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', metavar='IN.pth', help='the published file')
    parser.add_argument('out', metavar='OUT.pth', help='where to write the converted one')
    parser.add_argument(
        '--arch',
        metavar='LAYOUT',
        default='auto',
        help='model and dataset, alignps_cuhk say; by default told from names and shapes in the '
        'file',
    )
    parser.add_argument(
        '--trust',
        action='store_true',
        help='read a file that asks for more than tensors; it may run any code: for files of '
        'your own only',
    )
    parser.add_argument('--force', action='store_true', help='replace OUT.pth where it exists')
    return parser.parse_args()


def report(done: Any) -> None:
    """Say what became of every tensor (a `Conversion`) that was not taken over as it is."""
    renamed = {old: new for old, new in done.placed.items() if old != new}
    print(f'{len(done.placed)} tensors taken over, {len(renamed)} of them under a new name:')
    for old, new in renamed.items():
        print(f'  {old} -> {new}')
    print(f'{len(done.dropped)} dropped:')
    for old, reason in done.dropped.items():
        print(f'  {old}: {reason}')
    print(f'{len(done.fresh)} not in the file:')
    for new, content in done.fresh.items():
        print(f'  {new}: {content}')


def main() -> None:
    """Convert one file."""
    args = parse_args()
    from mmdet_ps.models.converters import LAYOUTS, convert_file, released_config

    if args.arch not in ('auto', *LAYOUTS):
        raise ValueError(f'--arch {args.arch}: give one of auto, {", ".join(LAYOUTS)}')
    if Path(args.out).exists() and not args.force:
        raise ValueError(f'{args.out} exists: give another name, or --force to replace it')
    layout = None if args.arch == 'auto' else args.arch
    layout, done = convert_file(args.source, args.out, CONFIGS, layout, args.trust)
    report(done)
    print(f'{args.out}: {layout}, for configs/released/{released_config(CONFIGS, layout).name}')


if __name__ == '__main__':
    run_tool(main)
