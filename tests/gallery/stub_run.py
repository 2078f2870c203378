"""One run of `Gallery.add` with the stub, in a process of its own, that says what it has kept.

``python -m tests.gallery.stub_run FOLDER SOURCE --delay S --people N --seconds S``
"""

import argparse
import sys

import lancedb  # noqa: F401 - takes a second: before the run says that it begins

from mmdet_ps.gallery import Gallery, adding, index

from .stub import StubFinder


def say(line):
    sys.stdout.write(f'{line}\n')
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('folder')
    parser.add_argument('source')
    parser.add_argument('--delay', type=float, default=0.0)
    parser.add_argument('--people', type=int, default=40)
    parser.add_argument('--seconds', type=float, default=0.05)
    parser.add_argument('--limit', type=int, help='largest file that can be written, in bytes')
    args = parser.parse_args()
    adding._PEOPLE, adding._SECONDS = args.people, args.seconds
    # Upkeep in the middle of all that goes on.
    adding._COMMITS, index.SMALL_FILES, index.SCALAR_ROWS = 4, 6, 50
    if args.limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (args.limit, args.limit))
    say('begun')
    gallery = Gallery(args.folder, StubFinder(delay=args.delay))
    put = gallery.index.put_sources

    def put_and_say(table):
        put(table)
        for row in table.to_pylist():
            say(f'kept\t{row["source"]}\t{row["last_frame"]}')

    gallery.index.put_sources = put_and_say
    try:
        report = gallery.add(args.source, every=0, progress=False)
    except OSError as error:
        sys.stderr.write(f'error: {error}\n')
        raise SystemExit(2) from None
    say(f'report {report}')


if __name__ == '__main__':
    main()
