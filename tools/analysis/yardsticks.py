"""Print a model's search numbers beside what its boxes reach without learned features.

The results file is that of ``tools/test_ps.py CONFIG CHECKPOINT --out FILE.npz``. With its
``--use-gt-boxes`` the yardsticks are measured on the annotated boxes, too.
"""

import argparse

from mmdet_ps.core.search_arguments import add_search_options, read_search_options
from mmdet_ps.utils.cli import add_cfg_options, run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--results', metavar='FILE.npz', required=True, help='saved results')
    parser.add_argument('--json', metavar='FILE', help='write the numbers as json')
    parser.add_argument(
        '--seed', type=int, default=0, help='of the random features and the untrained network'
    )
    parser.add_argument(
        '--trust', action='store_true', help='read a results file of your own that can run code'
    )
    add_search_options(parser)
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = parse_args()
    from mmdet_ps.apis import build_test_set, load_config
    from mmdet_ps.core.evaluation import format_table, write_json
    from mmdet_ps.core.results_io import load_results
    from mmdet_ps.reproduce.yardsticks import measure_yardsticks
    from mmdet_ps.utils.io import check_writable

    check_writable(args.json)
    cfg = load_config(args.config, args.cfg_options)
    options, gallery_sizes = read_search_options(args, cfg.get('evaluation'))
    results = load_results(args.results, trust=args.trust)
    report = measure_yardsticks(
        cfg, build_test_set(cfg), results, options, gallery_sizes, args.seed
    )
    print(f'\n{format_table(report)}')
    if args.json:
        write_json(report, args.json)


if __name__ == '__main__':
    run_tool(main)
