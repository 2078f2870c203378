"""Draw what several models find for the same queries, side by side (Fig. 10 of the paper).

A row a query (yellow), the best box of each model beside it: green is right, red is wrong. Drawn
are the queries on which the models differ most, unless some are named: those with the largest
variance over the models of right and wrong (with --topk K, of the number of right boxes among the
first K), then of AP. The rankings are files of tools/test_ps.py --save-ranking FILE.npz.

Example:
    python tools/analysis/compare_search.py CONFIG alignps.npz roi_alignps.npz --out compared.png
"""

import argparse
from pathlib import Path

from mmdet_ps.utils.cli import add_cfg_options, run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file; its test set has the pictures')
    parser.add_argument('rankings', nargs='+', metavar='FILE.npz', help='rankings, one a model')
    parser.add_argument('--out', metavar='FILE.png', type=Path, required=True)
    parser.add_argument('--labels', nargs='+', help='name of each model (default: of its file)')
    parser.add_argument(
        '--queries', default='6', help='how many; or which, as 3,17,40 ("3," for one)'
    )
    parser.add_argument('--topk', type=int, default=1, help='boxes of each model, 1 to 10')
    parser.add_argument(
        '--features',
        nargs='+',
        help='which feature of each file, or one for all; by default that of all features joined',
    )
    parser.add_argument('--protocol', help='of several; the first otherwise')
    parser.add_argument(
        '--show',
        nargs='+',
        default=[],
        choices=['names', 'scores'],
        help='names of the pictures, detection scores',
    )
    parser.add_argument('--title', default='', help='written above')
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    """Draw the picture."""
    args = parse_args()
    from mmdet_ps.apis import build_test_set, load_config
    from mmdet_ps.core.evaluation import load_rankings
    from mmdet_ps.core.visualization import (
        check_picture_name,
        check_same_queries,
        choose_queries,
        choose_ranking,
        comparison_sheet,
        most_different,
        parse_queries,
        pictures_in,
        write_picture,
    )

    count = len(args.rankings)
    labels = args.labels or [Path(path).stem for path in args.rankings]
    if len(labels) != count or len(set(labels)) != count:
        raise ValueError(f'{count} rankings need as many different --labels, got {labels}')
    features = args.features or [None]
    features = features * count if len(features) == 1 else features
    if len(features) != count:
        raise ValueError(f'--features: {len(features)} for {count} rankings; give one, or one each')
    asked = parse_queries(args.queries)
    check_picture_name(args.out)
    rankings = {}
    for label, path, feature in zip(labels, args.rankings, features, strict=True):
        try:
            rankings[label] = choose_ranking(load_rankings(path), feature, args.protocol)
        except KeyError as error:
            raise KeyError(f'{path}: {error.args[0]}') from None
    check_same_queries(rankings)
    chosen = choose_queries(
        len(rankings[labels[0]].ap), asked, most_different(list(rankings.values()), args.topk)
    )
    sheet = comparison_sheet(rankings, chosen, args.topk, args.show, args.title)
    dataset = build_test_set(load_config(args.config, args.cfg_options))
    write_picture(args.out, sheet, pictures_in(dataset.img_prefix))
    print(f'{args.out}: queries {", ".join(map(str, chosen))} of {count} models')


if __name__ == '__main__':
    run_tool(main)
