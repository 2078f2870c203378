"""Serve a page on which people are searched in a gallery that tools/index.py has filled.

Only this machine reaches it, unless --host says otherwise; then --auth is needed.

Example:
    python tools/serve.py CONFIG CHECKPOINT --gallery my_people
"""

import argparse

from mmdet_ps.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--gallery', required=True, metavar='DIR', help='folder; made if needed')
    parser.add_argument('--port', type=int, default=7860, help='default 7860')
    parser.add_argument('--host', default='127.0.0.1', help='default 127.0.0.1')
    parser.add_argument('--auth', metavar='FILE', help='who may see it: lines user:password')
    parser.add_argument(
        '--max-upload',
        type=int,
        default=2000,
        metavar='MB',
        help='largest file that visitors may add (default 2000)',
    )
    parser.add_argument('--device', default='auto', help='auto (default), cpu, cuda, cuda:1 ...')
    return parser.parse_args()


def main() -> None:
    """Serve as the command line says."""
    args = parse_args()
    from mmdet_ps.web.safety import accounts_for

    # What is wrong with the command line is said before the model is loaded.
    accounts = accounts_for(args.host, args.auth)
    if not 1 <= args.port <= 65535:
        raise ValueError(f'--port {args.port}: must be 1 to 65535')
    if args.max_upload < 1:
        raise ValueError(f'--max-upload {args.max_upload}: must be 1 or more MB')
    from mmdet_ps.apis import PersonSearcher
    from mmdet_ps.web import serve

    searcher = PersonSearcher(args.config, args.checkpoint, args.device)
    gallery = searcher.gallery(args.gallery)
    serve(searcher, gallery, args.host, args.port, accounts, args.max_upload)


if __name__ == '__main__':
    run_tool(main)
