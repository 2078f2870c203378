"""Curves of mAP and top-1 over the gallery size, several runs in one picture.

Reads the json files that ``tools/test_ps.py --json`` writes. A run is one file, or several files of
one run joined by commas; of a model with several features the concatenation is drawn.

Example:
    python tools/analysis/plot_gallery_curve.py alignps.json roi_alignps.json --out curve.png
"""

import argparse
import json
import re
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402

from mmdet_ps.utils.cli import run_tool  # noqa: E402
from mmdet_ps.utils.io import atomic_write  # noqa: E402

METRICS = {'mAP': 'mAP', 'top1': 'top-1'}
FULL = 'all'


def read_run(files, feature):
    """Rows of one run, {gallery: {'mAP': percent, 'top1': percent, 'num_queries': n}}.

    Raises:
        ValueError: where a file is no report, or has no gallery or feature of that name.
    """
    rows = {}
    for path in files.split(','):
        try:
            report = json.loads(Path(path).read_text(encoding='utf-8'))['search']
            features = list(dict.fromkeys(row['feature'] for row in report))
            chosen = feature or features[-1]
            for row in report:
                if row['feature'] == chosen:
                    rows[row['protocol']] = {key: 100 * row[key] for key in METRICS}
        except (json.JSONDecodeError, KeyError, TypeError, IndexError):
            raise ValueError(f'{path} is not a report of tools/test_ps.py --json') from None
        if chosen not in features:
            raise ValueError(f'{path} has no feature {chosen}; it has {", ".join(features)}')
    rows = {name: row for name, row in rows.items() if re.fullmatch(r'G\d+|all', name)}
    if not any(name != FULL for name in rows):
        raise ValueError(
            f'{files} has no gallery size to draw: test with several, such as 50 100 500 all'
        )
    return rows


def places(runs):
    """Where each gallery stands on the axis: its size, and ``all`` one step beyond the largest."""
    names = {name for rows in runs.values() for name in rows}
    sizes = {name: int(name[1:]) for name in names if name != FULL}
    if FULL in names:
        sizes[FULL] = max(sizes.values()) * 2
    return dict(sorted(sizes.items(), key=lambda item: item[1]))


def draw(runs, title=None):
    """A figure with one panel a metric and one line a run."""
    sizes = places(runs)
    figure, axes = plt.subplots(1, len(METRICS), figsize=(9, 3.8), layout='constrained')
    markers = 'osD^vPX*'
    for axis, (key, name) in zip(axes, METRICS.items(), strict=True):
        for i, (label, rows) in enumerate(runs.items()):
            shown = [gallery for gallery in sizes if gallery in rows]
            axis.plot(
                [sizes[gallery] for gallery in shown],
                [rows[gallery][key] for gallery in shown],
                marker=markers[i % len(markers)],
                markersize=5,
                label=label,
            )
        axis.set_xscale('log')
        axis.set_xticks(list(sizes.values()), [name.lstrip('G') for name in sizes])
        axis.minorticks_off()
        axis.set_xlabel('gallery size (images)')
        axis.set_ylabel(f'{name} (%)')
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    if title:
        figure.suptitle(title)
    return figure


def main():
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('runs', nargs='+', help='json file, or several of one run: A.json,B.json')
    parser.add_argument('--out', required=True, help='picture to write (.png, .pdf, .svg)')
    parser.add_argument('--labels', nargs='+', help='name of each run (default: of the file)')
    parser.add_argument('--feature', help='feature to draw (default: the last of each protocol)')
    parser.add_argument('--title')
    args = parser.parse_args()
    labels = args.labels or [Path(run.split(',')[0]).stem for run in args.runs]
    if len(labels) != len(args.runs) or len(set(labels)) != len(labels):
        raise ValueError(f'{len(args.runs)} runs need as many different --labels, got {labels}')
    kind = Path(args.out).suffix.lstrip('.')
    if kind not in ('png', 'pdf', 'svg'):
        raise ValueError(f'--out {args.out}: the name must end in .png, .pdf or .svg')
    runs = {
        label: read_run(run, args.feature) for label, run in zip(labels, args.runs, strict=True)
    }
    figure = draw(runs, args.title)
    with atomic_write(args.out) as stream:
        figure.savefig(stream, format=kind, dpi=150)
    plt.close(figure)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    run_tool(main)
