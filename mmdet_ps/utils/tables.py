"""Rows of numbers as text, csv and json."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from .io import atomic_write

Row = Mapping[str, Any]


def format_rows(rows: Sequence[Row], columns: Mapping[str, tuple[str, str]]) -> str:
    """Lay rows out as text, a line a row under a line of headings.

    Args:
        rows: Dicts with the same keys.
        columns: By key, the heading and the format of a cell, ``'{:.1f}'`` say; those that the rows
            lack are left out. The first column stands to the left, the others to the right.
    """
    shown = {key: column for key, column in columns.items() if rows and key in rows[0]}
    lines = [[heading for heading, _ in shown.values()]]
    lines += [[form.format(row[key]) for key, (_, form) in shown.items()] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return '\n'.join(
        '  '.join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def write_csv(rows: Sequence[Row], path: str | os.PathLike) -> None:
    """Write rows with the same keys as comma-separated values, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path, 'w') as stream:
        stream.write(text.getvalue())


def write_json(content: Any, path: str | os.PathLike) -> None:
    """Write plain values as json, whole or not at all."""
    with atomic_write(path, 'w') as stream:
        json.dump(content, stream, indent=2)
        stream.write('\n')
