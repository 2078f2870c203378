"""Curves of mAP and top-1 over the gallery size (arXiv 2109.00211, Fig. 11)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..report_file import SearchRow, read_report

METRICS = {'mAP': 'mAP', 'top1': 'top-1'}
FULL = 'all'
_MARKERS = 'osD^vPX*'

Rows = Mapping[str, SearchRow]

# What the paper states in numbers: percent on CUHK-SYSU, with a gallery of 100 pictures.
PAPER_GALLERY = 'G100'
PAPER = {
    'AlignPS, paper, CUHK-SYSU': dict(mAP=93.1, top1=93.4),
    'ROI-AlignPS, paper, CUHK-SYSU': dict(mAP=95.4, top1=96.0),
}


def read_curve(
    paths: Sequence[str | os.PathLike], feature: str | None = None
) -> dict[str, SearchRow]:
    """Read the rows of one run by gallery, from one or several reports.

    Args:
        paths: files of ``tools/test_ps.py --json``.
        feature: whose rows; by default of all features of the model joined.

    Raises:
        ValueError: where a file is no report, or there is no gallery size.
        KeyError: where a report has no such feature.
    """
    rows: dict[str, SearchRow] = {}
    for path in paths:
        try:
            rows |= read_report(path).rows_of(feature)
        except KeyError as error:
            raise KeyError(f'{path}: {error.args[0]}') from None
    rows = {name: row for name, row in rows.items() if re.fullmatch(r'G[1-9]\d{0,8}|all', name)}
    if not any(name != FULL for name in rows):
        raise ValueError(
            f'{", ".join(map(str, paths))}: no gallery size to draw; test with several, such as '
            '--gallery-sizes 50 100 500 all'
        )
    return rows


def _places(names: set[str]) -> dict[str, int]:
    """Where each gallery stands on the axis: its size, and ``all`` one step beyond the largest."""
    sizes = {name: int(name[1:]) for name in names if name != FULL}
    if FULL in names:
        sizes[FULL] = max(sizes.values()) * 2
    return dict(sorted(sizes.items(), key=lambda item: item[1]))


def draw_curves(runs: Mapping[str, Rows], title: str | None = None, paper: bool = False) -> Figure:
    """Draw one panel a metric with one line a run.

    Args:
        runs: rows by gallery, by the name of the run; see ``read_curve``.
        title: written above.
        paper: whether what the paper states is drawn, too: a ring at its gallery size, with a
            dotted line to the axis.
    """
    names = {name for rows in runs.values() for name in rows}
    places = _places(names | ({PAPER_GALLERY} if paper else set()))
    figure = Figure(figsize=(9, 3.8), layout='constrained')
    for axis, (key, name) in zip(figure.subplots(1, len(METRICS)), METRICS.items(), strict=True):
        for i, (label, rows) in enumerate(runs.items()):
            shown = [gallery for gallery in places if gallery in rows]
            axis.plot(
                [places[gallery] for gallery in shown],
                [100 * getattr(rows[gallery], key) for gallery in shown],
                marker=_MARKERS[i % len(_MARKERS)],
                markersize=5,
                label=label,
            )
        axis.set_xscale('log')
        if paper:
            _draw_paper(axis, key, places[PAPER_GALLERY], len(runs))
        axis.set_xticks(list(places.values()), [gallery.lstrip('G') for gallery in places])
        axis.minorticks_off()
        axis.set_xlabel('gallery size (images)')
        axis.set_ylabel(f'{name} (%)')
        axis.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    if title:
        figure.suptitle(title)
    return figure


def _draw_paper(axis: Axes, key: str, place: int, used: int) -> None:
    """Rings at what the paper states, in the colours after those of the runs."""
    start = axis.get_xlim()[0]
    for i, (label, numbers) in enumerate(PAPER.items()):
        axis.plot(
            [start, place],
            [numbers[key]] * 2,
            color=f'C{used + i}',
            linestyle=':',
            marker='o',
            markevery=[1],
            markersize=7,
            markerfacecolor='none',
            label=label,
        )
    axis.set_xlim(left=start)
