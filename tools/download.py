"""Fetch the authors' published checkpoints, or a data set, ready for use.

A checkpoint is checked and converted for its config in configs/released; a data set is unpacked and
converted. What a broken transfer has left is gone on with by the same command.

Example:
    python tools/download.py alignps_r50_prw
    python tools/download.py prw --accept-terms
"""

import argparse
from pathlib import Path

from mmdet_ps.downloads import CATALOGUE, get
from mmdet_ps.utils.cli import run_tool
from mmdet_ps.utils.tables import format_rows


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('names', nargs='*', metavar='NAME', help='of --list')
    parser.add_argument('--list', action='store_true', help='show what there is, and stop')
    parser.add_argument(
        '--to',
        type=Path,
        metavar='DIR',
        help='folder to put it in (default: checkpoints, for data sets data, of this project)',
    )
    parser.add_argument(
        '--accept-terms',
        action='store_true',
        help='say that you keep to the terms of the data sets, printed with and without it',
    )
    return parser.parse_args()


def show_list() -> None:
    """Print the catalogue."""
    rows = [
        dict(
            name=entry.name,
            kind='data set' if entry.holds else 'checkpoint',
            size=entry.size or 'not known',
            link=entry.link,
        )
        for entry in CATALOGUE.values()
    ]
    headings = dict(name='name', kind='what', size='size', link='source')
    print(format_rows(rows, {key: (heading, '{}') for key, heading in headings.items()}))
    for terms, page in dict.fromkeys((entry.terms, entry.page) for entry in CATALOGUE.values()):
        under = [e.name for e in CATALOGUE.values() if (e.terms, e.page) == (terms, page)]
        print(f'\n{", ".join(under)}:\n  {terms}\n  {page}')


def check(names: list[str], accepted: bool) -> None:
    """Find out before anything is fetched what cannot be."""
    unknown = [name for name in names if name not in CATALOGUE]
    if unknown or not names:
        said = f'{", ".join(unknown)}: no such download' if unknown else 'no name'
        raise ValueError(f'{said}; give one or more of {", ".join(CATALOGUE)}')
    for name in names:
        entry = CATALOGUE[name]
        if entry.holds and not accepted:
            raise ValueError(
                f'{name} has terms of its own: {entry.terms}. Read them on {entry.page}, and add '
                '--accept-terms if you keep to them'
            )


def main() -> None:
    """Fetch as the command line says."""
    args = parse_args()
    if args.list:
        show_list()
        return
    check(args.names, args.accept_terms)
    for name in args.names:
        entry = CATALOGUE[name]
        folder = args.to or entry.folder
        if entry.holds:
            print(f'{name}, terms accepted: {entry.terms} ({entry.page})', flush=True)
        ready, done = entry.ready(folder), get(entry, folder)
        if done is None:
            print(f'{ready}: is there already')
        elif entry.holds:
            from mmdet_ps.releases.convert import print_summary

            print_summary(done, ready)
        else:
            print(f'{ready}: {len(done.placed)} tensors, for configs/released/{entry.config.name}')
        if done is not None:
            print(f'{entry.published(folder)}: as published; not needed any more')


if __name__ == '__main__':
    run_tool(main)
