"""Curves of mAP and top-1 over the gallery size."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ..report_file import SearchRow, read_report

METRICS = {'mAP': 'mAP', 'top1': 'top-1'}
FULL = 'all'
_MARKERS = 'osD^vPX*'

Rows = Mapping[str, SearchRow]


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


def _places(runs: Mapping[str, Rows]) -> dict[str, int]:
    """Where each gallery stands on the axis: its size, and ``all`` one step beyond the largest."""
    names = {name for rows in runs.values() for name in rows}
    sizes = {name: int(name[1:]) for name in names if name != FULL}
    if FULL in names:
        sizes[FULL] = max(sizes.values()) * 2
    return dict(sorted(sizes.items(), key=lambda item: item[1]))


def draw_curves(runs: Mapping[str, Rows], title: str | None = None) -> Figure:
    """Draw one panel a metric with one line a run.

    Args:
        runs: rows by gallery, by the name of the run; see ``read_curve``.
        title: written above.
    """
    places = _places(runs)
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
        axis.set_xticks(list(places.values()), [gallery.lstrip('G') for gallery in places])
        axis.minorticks_off()
        axis.set_xlabel('gallery size (images)')
        axis.set_ylabel(f'{name} (%)')
        axis.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    if title:
        figure.suptitle(title)
    return figure
