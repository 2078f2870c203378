"""Progress of a long run, and how a signal ends it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from .reader import Begun
from .sources import STREAM, VIDEO, Source

# Takes the pictures that the network has looked at, how many there will be (None where nobody
# knows), and the people found.
Progress = Callable[[int, int | None, int], None]


@contextmanager
def until_signal(stopped: threading.Event) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM set an event; a second one does what it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.getsignal(kind) for kind in kinds}

    def stop(number: int, frame: object) -> None:
        stopped.set()
        for kind in kinds:
            signal.signal(kind, before[kind])

    for kind in kinds:
        signal.signal(kind, stop)
    try:
        yield
    finally:
        for kind in kinds:
            signal.signal(kind, before[kind])


class Bar:
    """Progress on stderr: pictures, people, people a second, time left.

    How many frames the videos have that are not open yet is guessed from the sizes of their files.
    """

    def __init__(self, sources: Sequence[Source], shown: bool | Progress) -> None:
        self._told = shown if callable(shown) else None
        self._bar = tqdm(unit=' pictures', disable=shown is not True, dynamic_ncols=True)
        self._ahead = {source.name: source for source in sources}
        self._pictures = sum(source.kind not in (VIDEO, STREAM) for source in sources)
        self._bytes = {s.name: _size(s) for s in sources if s.kind == VIDEO}
        self._frames = self._seen = 0
        self._endless = any(source.kind == STREAM for source in sources)
        self._start, self._done = time.monotonic(), 0
        self._total: int | None = None

    def begin(self, begun: Begun) -> None:
        """A source is open, and says how many pictures it has."""
        source = begun.task.source
        if source.kind == VIDEO:
            self._frames += begun.pictures or 0
            self._seen += self._bytes.pop(source.name, 0)
        self._retotal()

    def look(self, people: int) -> None:
        """The network has looked at a picture; so many people were found in all."""
        self._done += 1
        seconds = max(time.monotonic() - self._start, 1e-3)
        self._bar.set_postfix_str(f'{people} people, {people / seconds:.1f} people/s', False)
        self._bar.update()
        if self._told:
            self._told(self._done, self._total, people)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def _retotal(self) -> None:
        if self._endless:
            return
        ahead = self._frames * sum(self._bytes.values()) / self._seen if self._seen else 0
        self._bar.total = self._total = max(
            self._pictures + self._frames + round(ahead), self._done
        )


def _size(source: Source) -> int:
    try:
        return os.path.getsize(source.address)
    except OSError:
        return 0
