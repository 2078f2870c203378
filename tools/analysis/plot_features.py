"""Draw the re-id features of both branches of ROI-AlignPS by t-SNE (Fig. 9 of the paper).

A panel a results file, such as of models without mutual learning and with each of its losses; a
star is a feature of the RoI-Align branch, a dot one of the AlignPS branch, a colour an identity.
Features are those of detections that match an annotated person of the test set (IoU of 0.5 or
more); identities are drawn at random among those with three detections or more in every file. The
same seed gives the same picture. Results are files of tools/test_ps.py CONFIG CHECKPOINT --out.

Example:
    python tools/analysis/plot_features.py CONFIG none.npz mi.npz --out features.png
"""

import argparse
from pathlib import Path

from mmdet_ps.utils.cli import add_cfg_options, run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file; its test set says who is who')
    parser.add_argument(
        'results', nargs='+', metavar='FILE.npz', help='saved results, a panel each'
    )
    parser.add_argument('--out', type=Path, required=True, help='file to write, .png, .pdf or .svg')
    parser.add_argument('--labels', nargs='+', help='name of each panel (default: of its file)')
    parser.add_argument('--identities', type=int, default=15, help='how many people')
    parser.add_argument('--seed', type=int, default=0, help='of the choice of people and of t-SNE')
    parser.add_argument('--title', default='', help='written above')
    parser.add_argument(
        '--trust', action='store_true', help='read a results file of your own that can run code'
    )
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    """Draw the picture."""
    args = parse_args()
    from mmdet_ps.apis import build_test_set, load_config
    from mmdet_ps.core.evaluation import SearchOptions
    from mmdet_ps.core.results_io import load_results
    from mmdet_ps.core.visualization.figure import check_figure_name, write_figure
    from mmdet_ps.core.visualization.tsne import (
        choose_identities,
        draw_embeddings,
        embed,
        identified_people,
    )

    labels = args.labels or [Path(path).stem for path in args.results]
    if len(labels) != len(args.results) or len(set(labels)) != len(labels):
        raise ValueError(f'{len(args.results)} results need as many different --labels: {labels}')
    if not 0 <= args.seed < 2**32:
        raise ValueError(f'--seed {args.seed}: must be 0 to {2**32 - 1}')
    check_figure_name(args.out)
    cfg = load_config(args.config, args.cfg_options)
    dataset = build_test_set(cfg, check_pictures=False)
    names = [info['filename'] for info in dataset.data_infos]
    truths = [dataset.get_ann_info(i) for i in range(len(dataset))]
    options = SearchOptions.of_config(cfg.get('evaluation') or {})
    models = {}
    for label, path in zip(labels, args.results, strict=True):
        results = load_results(path, trust=args.trust)
        try:
            models[label] = identified_people(results, names, truths, options.score_thr)
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from None
    identities = choose_identities(list(models.values()), args.identities, args.seed)
    drawn = {label: people.of(identities) for label, people in models.items()}
    figure = draw_embeddings(
        {label: (people.pids, embed(people, args.seed)) for label, people in drawn.items()},
        args.title,
    )
    write_figure(args.out, figure)
    counts = ', '.join(f'{len(people.pids)} of {label}' for label, people in drawn.items())
    print(f'{args.out}: {args.identities} people, detections: {counts}')


if __name__ == '__main__':
    run_tool(main)
