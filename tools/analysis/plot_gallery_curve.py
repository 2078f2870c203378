"""Draw mAP and top-1 over the gallery size, several runs in one picture (Fig. 11 of the paper).

Reads the json files that ``tools/test_ps.py --json`` writes. A run is one file, or several files of
one run joined by commas; of a model with several features the concatenation is drawn. The paper
gives its own curves no numbers but those of 100 pictures, on CUHK-SYSU: --paper adds these.

Example:
    python tools/analysis/plot_gallery_curve.py alignps.json roi_alignps.json --out curve.png
"""

import argparse
from pathlib import Path

from mmdet_ps.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('runs', nargs='+', help='json file, or several of one run: A.json,B.json')
    parser.add_argument('--out', type=Path, required=True, help='file to write, .png, .pdf or .svg')
    parser.add_argument('--labels', nargs='+', help='name of each run (default: of the file)')
    parser.add_argument('--feature', help='of a model with several; their concatenation otherwise')
    parser.add_argument(
        '--paper', action='store_true', help="the paper's numbers on CUHK-SYSU as dotted references"
    )
    parser.add_argument('--title')
    return parser.parse_args()


def main() -> None:
    """Draw the picture."""
    args = parse_args()
    labels = args.labels or [Path(run.split(',')[0]).stem for run in args.runs]
    if len(labels) != len(args.runs) or len(set(labels)) != len(labels):
        raise ValueError(f'{len(args.runs)} runs need as many different --labels, got {labels}')
    from mmdet_ps.core.visualization.figure import check_figure_name, write_figure
    from mmdet_ps.core.visualization.gallery_curve import draw_curves, read_curve

    check_figure_name(args.out)
    runs = {
        label: read_curve(run.split(','), args.feature)
        for label, run in zip(labels, args.runs, strict=True)
    }
    write_figure(args.out, draw_curves(runs, args.title, args.paper))
    print(f'wrote {args.out}')


if __name__ == '__main__':
    run_tool(main)
