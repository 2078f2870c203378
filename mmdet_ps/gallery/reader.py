"""Sources read ahead of the network: one thread decodes videos, others pictures.

The network's thread takes items in order: `Begun`, the source's `Look`s, `Ended` (which a picture's
only `Look` is at once).
"""

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..utils.pictures import PictureError
from .pictures import read_upright
from .sources import PICTURE, STREAM, Source
from .video import Video, stream_frames


@dataclass(frozen=True)
class Task:
    """A source that is to be read.

    Attributes:
        source: The source.
        stamp: What tells this state of it from others, see `Gallery.add`.
        after: Number of the last frame that the gallery has already; -1 where it has none.
        pictures: Pictures that were looked at up to it.
        people: People found in them.
    """

    source: Source
    stamp: str
    after: int = -1
    pictures: int = 0
    people: int = 0


@dataclass(frozen=True)
class Begun:
    """A source begins; `pictures` are expected of it, None where nobody knows."""

    task: Task
    pictures: int | None


@dataclass(frozen=True)
class Look:
    """A picture for the network.

    Attributes:
        task: Its source.
        number: Of the frame.
        position: Seconds into the video; None for pictures.
        moment: Of the clock, for streams.
        prepared: Becomes what the network takes; fails where a picture cannot be read.
        last: Whether its source ends with it, without an `Ended`: so for pictures.
    """

    task: Task
    number: int
    position: float | None
    moment: float | None
    prepared: Future
    last: bool


@dataclass(frozen=True)
class Ended:
    """A source has ended; `fault` says what was wrong with it, `lost` that nothing was read."""

    task: Task
    fault: str = ''
    lost: bool = False


Item = Begun | Look | Ended


class Reader:
    """Read sources in threads, ahead of who takes the items.

    Args:
        sources: What is to be read, in this order.
        plan: Gives the task for a source when its turn comes; None passes it by. Raises `OSError`
            for a file that is gone.
        prepare: What is done to a picture in the threads before the network gets it.
        every: Seconds between the frames of a video.
        ahead: Pictures that are read ahead.
        stopped: Set to end early; what has been read is still given.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        plan: Callable[[Source], Task | None],
        prepare: Callable[[np.ndarray], Any],
        every: float,
        ahead: int,
        stopped: threading.Event,
    ) -> None:
        self._sources, self._plan, self._prepare = sources, plan, prepare
        self._every, self._stopped = every, stopped
        self._closed = threading.Event()
        self._items: queue.SimpleQueue[Item | BaseException | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(max(ahead, 1))
        self._pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1), 'prepare')
        self._thread = threading.Thread(target=self._run, name='read', daemon=True)
        self._thread.start()

    def next(self, timeout: float) -> Item:
        """Give the next item.

        Raises:
            queue.Empty: None came in time.
            StopIteration: There are no more.
            Exception: What went wrong in the thread.
        """
        item = self._items.get(timeout=timeout)
        if item is None:
            raise StopIteration
        if isinstance(item, BaseException):
            raise item
        if isinstance(item, Look):
            self._room.release()
        return item

    def close(self) -> None:
        """End the threads; what they have read is thrown away."""
        self._closed.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _look(
        self, task: Task, number: int, position: float | None, work: Callable[[], Any]
    ) -> Iterator[Look]:
        """Prepare a picture as soon as there is room; of a stream now or never."""
        live = task.source.kind == STREAM
        while not self._room.acquire(timeout=None if live else 0.1, blocking=not live):
            if live or self._closed.is_set():
                return
        moment = number / 1000 if live else None
        alone = task.source.kind == PICTURE
        yield Look(task, number, position, moment, self._pool.submit(work), alone)

    def _ended(self) -> bool:
        return self._stopped.is_set() or self._closed.is_set()

    def _run(self) -> None:
        try:
            for source in self._sources:
                if self._ended():
                    break
                for item in self._read(source):
                    self._items.put(item)
        except BaseException as error:  # It belongs to the thread that takes the items.
            self._items.put(error)
        self._items.put(None)

    def _read(self, source: Source) -> Iterator[Item]:
        try:
            task = self._plan(source)
        except OSError as error:
            task = Task(source, '')
            yield Begun(task, 0)
            yield Ended(task, error.strerror or str(error), lost=True)
            return
        if task is None:
            return
        if source.kind == PICTURE:
            yield Begun(task, 1)
            yield from self._look(task, 0, None, partial(self._picture, source))
        elif source.kind == STREAM:
            yield Begun(task, None)
            yield from self._stream(task)
        else:
            yield from self._video(task)

    def _picture(self, source: Source) -> Any:
        return self._prepare(read_upright(source.name))

    def _video(self, task: Task) -> Iterator[Item]:
        try:
            video = Video(task.source.name)
        except PictureError as error:
            yield Begun(task, 0)
            yield Ended(task, _reason(error, task.source), lost=True)
            return
        yield Begun(task, video.expected(self._every))
        any_frame = task.after >= 0
        for frame in video.frames(self._every, task.after):
            if self._ended():
                # No `Ended`: the source goes on from here another time.
                return
            any_frame = True
            work = partial(self._prepare, frame.picture)
            yield from self._look(task, frame.number, frame.position, work)
        if any_frame:
            yield Ended(task, video.fault())
        else:
            yield Ended(task, video.fault() or 'there is no frame in it', lost=True)

    def _stream(self, task: Task) -> Iterator[Item]:
        try:
            for frame in stream_frames(task.source.address, self._every, self._ended):
                work = partial(self._prepare, frame.picture)
                yield from self._look(task, frame.number, frame.position, work)
        except PictureError as error:
            yield Ended(task, str(error))
            return
        yield Ended(task)


def _reason(error: Exception, source: Source) -> str:
    """What an error says, without the name of the source before it."""
    return str(error).removeprefix(f'{source.address}: ')
