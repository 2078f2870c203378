"""Search the people of a picture in a gallery that tools/index.py has filled.

Without --box and --person every person of the picture is searched.

Example:
    python tools/search.py CONFIG CHECKPOINT street.jpg --gallery my_people --person 2
"""

import argparse
from pathlib import Path

from mmdet_ps.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('picture', help='picture with the person to search for')
    parser.add_argument('--gallery', required=True, metavar='DIR', help='folder')
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        '--box', nargs=4, type=float, metavar=('X', 'Y', 'W', 'H'), help='of the person, in pixels'
    )
    who.add_argument('--person', type=int, metavar='N', help='number of the person, from 0')
    parser.add_argument('--top', type=int, default=20, metavar='K', help='hits (default 20)')
    parser.add_argument('--camera', nargs='+', metavar='NAME', help='only of these cameras')
    parser.add_argument(
        '--from', dest='since', metavar='T', help='from then on: 90, 1:30 or 2026-05-01T14:30'
    )
    parser.add_argument('--to', dest='until', metavar='T', help='up to then')
    parser.add_argument(
        '--source', nargs='+', metavar='GLOB', help='only of sources with these names'
    )
    parser.add_argument('--min-score', type=float, metavar='S', help='of the detections')
    parser.add_argument('--min-similarity', type=float, metavar='S', help='of the hits')
    parser.add_argument(
        '--together',
        type=float,
        metavar='SECONDS',
        help='join hits of one video that lie so close to an appearance',
    )
    parser.add_argument('--json', metavar='FILE', help='write the hits')
    parser.add_argument('--csv', metavar='FILE', help='write the hits')
    parser.add_argument('--picture', dest='sheet', metavar='FILE', help='draw the hits')
    parser.add_argument('--device', default='auto', help='auto (default), cpu, cuda, cuda:1 ...')
    return parser.parse_args()


def choose_people(args: argparse.Namespace, searcher) -> list[tuple[int | None, list, object]]:
    """Number, box and embedding of each person to search for."""
    if args.box:
        x, y, w, h = args.box
        box = [x, y, x + w, y + h]
        return [(None, box, searcher.describe(args.picture, box))]
    people = searcher.find(args.picture).above(args.min_score or 0.0)
    if not len(people):
        raise ValueError(f'{args.picture}: no person is found in it; give one with --box X Y W H')
    if args.person is not None and not 0 <= args.person < len(people):
        raise ValueError(
            f'--person {args.person}: {args.picture} has {len(people)} people, '
            f'0 to {len(people) - 1}'
        )
    chosen = range(len(people)) if args.person is None else [args.person]
    return [(n, people.boxes[n].tolist(), people.feats[n]) for n in chosen]


def show(number: int | None, hits, together: float | None) -> None:
    """Print what was found for a person."""
    from mmdet_ps.gallery.hits import text_table
    from mmdet_ps.gallery.times import format_time

    print(f'\nperson {number}' if number is not None else '\nthe person in the box')
    if not hits:
        print('nobody found')
    elif together is None:
        print(hits.table())
    else:
        header = ('rank', 'similarity', 'source', 'from', 'to', 'best', 'hits', 'camera')
        rows = [
            (
                str(rank),
                f'{one.best.similarity:.3f}',
                one.source,
                format_time(one.start),
                format_time(one.end),
                format_time(one.best.time),
                str(len(one.hits)),
                one.camera,
            )
            for rank, one in enumerate(hits.together(together), 1)
        ]
        print(text_table(header, rows))


def sheet_name(path: str, number: int | None, several: bool) -> Path:
    """The file itself, or with the person's number in its name where there are several."""
    file = Path(path)
    return file.with_stem(f'{file.stem}_{number}') if several else file


def main() -> None:
    """Search as the command line says."""
    args = parse_args()
    from mmdet_ps.apis import PersonSearcher
    from mmdet_ps.gallery.hits import write_rows
    from mmdet_ps.utils.io import check_writable

    check_writable(args.json, args.csv, args.sheet)
    for file, ending in ((args.json, '.json'), (args.csv, '.csv')):
        if file and Path(file).suffix.lower() != ending:
            raise ValueError(f'{file}: must end in {ending}')
    if args.together is not None and not args.together >= 0:
        raise ValueError(f'--together {args.together}: must be 0 or more seconds')
    searcher = PersonSearcher(args.config, args.checkpoint, args.device)
    gallery = searcher.gallery(args.gallery, create=False)
    people = choose_people(args, searcher)
    rows = []
    for number, box, feat in people:
        hits = gallery.search(
            feat,
            args.top,
            cameras=args.camera,
            sources=args.source,
            since=args.since,
            until=args.until,
            min_score=args.min_score,
            min_similarity=args.min_similarity,
        )
        show(number, hits, args.together)
        rows += [dict(person=number, rank=n, **hit.row()) for n, hit in enumerate(hits, 1)]
        if args.sheet:
            hits.draw(sheet_name(args.sheet, number, len(people) > 1), query=(args.picture, box))
    for file in (args.json, args.csv):
        if file:
            write_rows(file, rows)


if __name__ == '__main__':
    run_tool(main)
