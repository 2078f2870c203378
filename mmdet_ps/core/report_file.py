"""Reports as ``tools/test_ps.py --json`` writes them, read with every type checked.

The form is that of ``mmdet_ps.core.evaluation.report``; keys that it has besides are passed over.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class SearchRow(msgspec.Struct, frozen=True):
    """Numbers of one feature on one protocol, 0..1."""

    feature: str
    protocol: str
    mAP: Share
    top1: Share
    top5: Share
    top10: Share


class Report(msgspec.Struct, frozen=True):
    """A report: rows of search, a protocol's together, the concatenation of features last."""

    search: list[SearchRow]

    def rows_of(self, feature: str | None = None) -> dict[str, SearchRow]:
        """Rows by protocol, of a feature; by default of all features joined.

        Raises:
            KeyError: where no row is of that feature, naming those that there are.
        """
        rows = {r.protocol: r for r in self.search if feature in (None, r.feature)}
        if not rows:
            known = ', '.join(dict.fromkeys(row.feature for row in self.search))
            raise KeyError(f'no feature {feature} in the report; it has {known}')
        return rows


def read_report(path: str | os.PathLike) -> Report:
    """Read a report.

    Raises:
        FileNotFoundError: without such a file.
        ValueError: where the file is no report, naming the place in it.
    """
    try:
        report = msgspec.json.decode(Path(path).read_bytes(), type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f'{path}: not a report of tools/test_ps.py --json: {error}') from None
    if not report.search:
        raise ValueError(f'{path}: a report without numbers of a search')
    return report
