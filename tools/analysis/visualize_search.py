"""Draw ranked search results: a row a query, its best gallery boxes framed by right and wrong.

From a results file (``tools/test_ps.py CONFIG CHECKPOINT --out FILE.npz``) or from the rankings
that ``tools/test_ps.py --save-ranking FILE.npz`` keeps; neither needs the model again.
"""

import argparse
import tempfile
from pathlib import Path

from mmdet_ps.core.search_arguments import (
    add_search_options,
    given_search_options,
    read_search_options,
)
from mmdet_ps.utils.cli import add_cfg_options, run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file; its test set has the pictures')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--results', metavar='FILE.npz', help='saved results')
    source.add_argument('--ranking', metavar='FILE.npz', help='saved rankings')
    parser.add_argument('--out', metavar='FILE.png', type=Path, required=True)
    parser.add_argument(
        '--queries',
        default='6',
        help='how many, evenly spread over the protocol; or which, as 3,17,40 ("3," for one)',
    )
    parser.add_argument('--topk', type=int, default=5, help='boxes a query, 1 to 10')
    parser.add_argument(
        '--show',
        nargs='+',
        default=[],
        choices=['names', 'scores', 'missed'],
        help='names of the pictures, detection scores, people to find that are not among the boxes',
    )
    parser.add_argument('--feature', help='of a model with several; their concatenation otherwise')
    parser.add_argument('--protocol', help='of several; the first otherwise')
    parser.add_argument(
        '--trust', action='store_true', help='read a results file of your own that can run code'
    )
    add_search_options(parser)
    add_cfg_options(parser)
    args = parser.parse_args()
    given = given_search_options(args)
    if args.ranking and given:
        parser.error(f'{given[0]} needs --results: saved rankings are what they are')
    return args


def main() -> None:
    """Draw the picture."""
    args = parse_args()
    from mmdet_ps.apis import build_test_set, load_config
    from mmdet_ps.core.evaluation import load_rankings
    from mmdet_ps.core.results_io import load_results
    from mmdet_ps.core.visualization import (
        check_picture_name,
        choose_queries,
        choose_ranking,
        parse_queries,
        pictures_in,
        search_sheet,
        write_picture,
    )

    queries = parse_queries(args.queries)
    check_picture_name(args.out)
    cfg = load_config(args.config, args.cfg_options)
    options, gallery_sizes = read_search_options(args, cfg.get('evaluation'))
    dataset = build_test_set(cfg)
    if args.ranking:
        rankings = load_rankings(args.ranking)
    else:
        results = load_results(args.results, trust=args.trust)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, 'ranking.npz')
            dataset.report(results, options, 'search', gallery_sizes, ranking_file=file)
            rankings = load_rankings(file)
    ranking = choose_ranking(rankings, args.feature, args.protocol)
    chosen = choose_queries(len(ranking.ap), queries)
    sheet = search_sheet(ranking, chosen, args.topk, args.show)
    write_picture(args.out, sheet, pictures_in(dataset.img_prefix))
    print(f'{args.out}: {len(chosen)} queries of {ranking.protocol}, {ranking.feature}')


if __name__ == '__main__':
    run_tool(main)
