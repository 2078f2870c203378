"""Which people are searched, as SQL for LanceDB."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Filter:
    """Which people are searched; None where it does not matter.

    Attributes:
        cameras: Names of cameras.
        sources: Globs of source names; see `source_condition`.
        since: Earliest time.
        until: Latest time.
        min_score: Lowest detection score.
    """

    cameras: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    since: float | None = None
    until: float | None = None
    min_score: float | None = None

    def condition(self) -> str | None:
        """As SQL; None where everybody is searched."""
        parts = []
        if self.cameras is not None:
            parts.append(any_of('camera', self.cameras))
        if self.sources is not None:
            parts.append(' OR '.join(source_condition(glob) for glob in self.sources) or 'false')
        for column, sign, value in (
            ('time', '>=', self.since),
            ('time', '<=', self.until),
            ('score', '>=', self.min_score),
        ):
            if value is not None:
                parts.append(f'{column} {sign} CAST({float(value)!r} AS DOUBLE)')
        return ' AND '.join(f'({part})' for part in parts) or None


def quoted(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def any_of(column: str, values: Sequence[str]) -> str:
    """SQL for a column with one of these values."""
    return f'{column} IN ({", ".join(map(quoted, values))})' if len(values) else 'false'


def source_condition(glob: str) -> str:
    """SQL for sources that a glob fits.

    ``*`` is anything, ``?`` one character. A glob without a slash fits the file's name in any
    folder.
    """
    if '*' not in glob and '?' not in glob and ('/' in glob or glob.startswith('camera:')):
        return f'source = {quoted(glob)}'
    like = re.sub(r'([\\%_])', r'\\\1', glob).replace('*', '%').replace('?', '_')
    plain = f"source LIKE {quoted(like)} ESCAPE '\\'"
    return plain if '/' in glob else f"{plain} OR source LIKE {quoted('%/' + like)} ESCAPE '\\'"
