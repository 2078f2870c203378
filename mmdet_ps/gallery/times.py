"""Times: seconds into a video, or the wall clock's where its start is known."""

import datetime
import re

# Seconds that no video lasts: what is more is a time of the clock (1973 and later).
_CLOCK = 1e8


def parse_time(text: str | float | datetime.datetime) -> float:
    """Read a time.

    Args:
        text: Seconds (``90``), ``1:30`` or ``0:01:30`` into a video; or a date with or without a
            time as ISO 8601 writes it (``2026-05-01T14:30``), of this machine's time zone where it
            names none.

    Returns:
        Seconds; of a date since 1970 (UTC).

    Raises:
        ValueError: None of these.
    """
    if isinstance(text, datetime.datetime):
        return text.timestamp()
    if isinstance(text, int | float):
        return float(text)
    if re.fullmatch(r'\d+(\.\d+)?', text):
        return float(text)
    clock = re.fullmatch(r'(?:(\d+):)?(\d+):(\d{2}(?:\.\d+)?)', text)
    if clock:
        hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return 3600 * hours + 60 * minutes + seconds
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise ValueError(
            f'{text}: not a time; write seconds (90), 1:30, 0:01:30 or a date (2026-05-01T14:30)'
        ) from None


def format_time(seconds: float | None) -> str:
    """Write a time for people: ``1:30.5`` into a video, or date and time of the clock."""
    if seconds is None:
        return ''
    if seconds >= _CLOCK:
        moment = datetime.datetime.fromtimestamp(round(seconds, 1))
        return moment.isoformat(' ', 'milliseconds')[:-2].removesuffix('.0')
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f'{tenths // 10:02d}' + (f'.{tenths % 10}' if tenths % 10 else '')
    return f'{hours}:{minutes:02d}:{rest}' if hours else f'{minutes}:{rest}'
