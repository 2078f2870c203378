"""Files of Google Drive, by gdown: through its confirmation pages, and on from where it broke off.

gdown's own retries are not used: they are a number for the whole file and wait between each, also
where there is no network. Here a transfer goes on at once for as long as each attempt brings more.
"""

import threading
from pathlib import Path
from typing import Any

from ..utils.cli import progress

# Seconds that the server may be silent, and that it may take to begin.
SILENCE = 60
BEGIN = 180


def load_gdown() -> Any:
    """Import gdown.

    Raises:
        ValueError: It is not installed, or too old to be stopped.
    """
    try:
        import gdown
        from gdown import DownloadCancelled  # noqa: F401
    except ImportError:
        raise ValueError(
            "downloads need gdown 6.5: pip install 'mmdet_ps[download]', or pip install -U gdown"
        ) from None
    return gdown


class _Transfer:
    """One file on its way: what has come of it, and a bar that shows it."""

    def __init__(self, bar: Any) -> None:
        self.bar, self.received = bar, 0
        self.stop = threading.Event()

    def moved(self, received: int, total: int | None) -> None:
        """Take gdown's word of the bytes that are there."""
        self.timer.cancel()
        self.bar.total = total
        self.bar.update(received - self.received)
        self.received = received

    def attempt(self, drive_id: str, path: Path) -> None:
        # A confirmation page that leads to itself would keep gdown for ever.
        self.timer = threading.Timer(BEGIN, self.stop.set)
        self.timer.daemon = True
        self.timer.start()
        try:
            load_gdown().download(
                id=drive_id,
                output=str(path),
                quiet=True,
                resume=True,
                use_cookies=False,
                timeout=SILENCE,
                progress=self.moved,
                cancel=self.stop,
            )
        finally:
            self.timer.cancel()


def fetch(drive_id: str, path: Path, by_hand: str) -> None:
    """Fetch a file; what an earlier call left of it is gone on with.

    Args:
        drive_id: Of the file.
        path: Its name once it is whole; until then parts of it lie beside it as ``*.part``.
        by_hand: Said where Drive does not give it: how else to get it.

    Raises:
        ValueError: gdown is missing.
        OSError: No network, no such file, no permission, more downloads than Drive allows, or no
            room on the disk.
    """
    gdown = load_gdown()
    from requests import RequestException

    path.parent.mkdir(parents=True, exist_ok=True)
    may_start_anew = True
    with progress(path.name, unit='B') as bar:
        transfer = _Transfer(bar)
        while True:
            before = transfer.received
            try:
                return transfer.attempt(drive_id, path)
            except gdown.FileURLRetrievalError as error:
                raise OSError(f'{_drive_says(error)}; {by_hand}') from None
            except (gdown.DownloadError, RequestException) as error:
                if transfer.received > before:
                    continue
                stuck = isinstance(error, gdown.DownloadError) and _parts(path)
                if stuck and may_start_anew and 'incomplete' not in str(error):
                    # The server cannot go on in the middle, or its file is another by now.
                    may_start_anew = False
                    for part in _parts(path):
                        part.unlink()
                    transfer.moved(0, None)
                    continue
                raise OSError(f'{_why(error)}; {by_hand}') from None
            except gdown.DownloadCancelled:
                raise OSError(f'Google Drive does not begin to send the file; {by_hand}') from None
            except (LookupError, AssertionError):  # gdown's, of a page with parts missing
                raise OSError(f'Google Drive sends a page of a new kind; {by_hand}') from None
            except OSError as error:
                raise OSError(
                    f'{path}: {error.strerror or error}; what has come is kept, and the same '
                    'command goes on with it'
                ) from None


def _parts(path: Path) -> list[Path]:
    """What gdown has of a file: its name, eight letters and ``.part``."""
    return list(path.parent.glob(f'{path.name}????????.part'))


def _drive_says(error: Exception) -> str:
    """The sentence of Drive's page, out of gdown's paragraphs."""
    said = [line.strip() for line in str(error).splitlines() if line.startswith('\t')]
    reason = ' '.join(said[:-1] if said and said[-1].startswith('http') else said)
    return f'Google Drive does not give the file ({reason or error})'


def _why(error: Exception) -> str:
    response = getattr(error, 'response', None)
    if response is not None:
        return f'Google Drive answers {response.status_code} ({response.reason})'
    if isinstance(error, OSError):
        return 'Google Drive cannot be reached: there is no network, or it is blocked'
    return str(error).splitlines()[0].rstrip('.')
