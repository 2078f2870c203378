"""Writing matplotlib's figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...utils.io import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KINDS = ('png', 'pdf', 'svg')


def check_figure_name(path: Path) -> None:
    """Refuse a file name that does not end in .png, .pdf or .svg.

    Raises:
        ValueError: naming it.
    """
    if path.suffix.lstrip('.') not in _KINDS:
        raise ValueError(f'--out {path}: the name must end in .png, .pdf or .svg')


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure, whole or not at all."""
    with atomic_write(path) as stream:
        figure.savefig(stream, format=path.suffix.lstrip('.'), dpi=150)
