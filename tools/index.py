"""Find the people in pictures, videos and camera streams, and keep them in a gallery.

Sources that are in the gallery already and have not changed are passed; a run that was killed goes
on where it was. Ctrl-C keeps what has been found. tools/search.py searches the gallery.

Example:
    python tools/index.py CONFIG CHECKPOINT videos/ a.jpg --gallery my_people --camera north
"""

import argparse
import sys

from mmdet_ps.utils.cli import run_tool

# Broken sources that are named before it is said how many more there are.
_NAMED = 20


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        'sources',
        nargs='+',
        metavar='SOURCE',
        help='picture, video, folder, glob, rtsp://... or number of a camera',
    )
    parser.add_argument('--gallery', required=True, metavar='DIR', help='folder; made if needed')
    parser.add_argument(
        '--every',
        type=float,
        default=0.5,
        metavar='S',
        help='seconds between frames of a video; 0 takes each (default 0.5)',
    )
    parser.add_argument('--camera', metavar='NAME', help='name to search by')
    parser.add_argument(
        '--start',
        metavar='TIME',
        help='when the sources begin, as 2026-05-01T14:30; their times are those of the clock then',
    )
    parser.add_argument(
        '--min-score',
        type=float,
        default=0.2,
        metavar='S',
        help='people with a lower detection score are left out (default 0.2)',
    )
    parser.add_argument('--batch', type=int, metavar='N', help='pictures at a time (GPU 8, CPU 1)')
    parser.add_argument('--device', default='auto', help='auto (default), cpu, cuda, cuda:1 ...')
    return parser.parse_args()


def main() -> None:
    """Index as the command line says."""
    args = parse_args()
    from mmdet_ps.apis import PersonSearcher
    from mmdet_ps.gallery.sources import expand_sources

    # Names that are wrong are said before the model is loaded.
    expand_sources(args.sources)
    searcher = PersonSearcher(args.config, args.checkpoint, args.device, args.batch)
    gallery = searcher.gallery(args.gallery)
    report = gallery.add(
        args.sources,
        every=args.every,
        camera=args.camera,
        start=args.start,
        min_score=args.min_score,
    )
    for broken in report.broken[:_NAMED]:
        print(f'{broken.source}: {broken.reason}', file=sys.stderr)
    if len(report.broken) > _NAMED:
        print(f'... and {len(report.broken) - _NAMED} more', file=sys.stderr)
    if report.broken and not (report.sources or report.unchanged):
        first = report.broken[0]
        raise ValueError(f'{first.source}: {first.reason}; none of the sources could be read')
    print(f'{args.gallery}: {report}; {len(gallery)} people in all')


if __name__ == '__main__':
    run_tool(main)
