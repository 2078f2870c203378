"""Sources on their way into a gallery: read, searched for people, committed."""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from ..utils.pictures import PictureError
from .filters import any_of, quoted
from .finder import Finder
from .index import Index
from .people import People
from .progress import Bar, Progress, until_signal
from .reader import Begun, Ended, Look, Reader, Task
from .report import AddReport, Broken
from .schema import people_table, sources_schema
from .sources import PICTURE, STREAM, VIDEO, Source

# A commit is due with so many people, or when a source has ended and the last one is so long ago.
_PEOPLE = 10_000
_SECONDS = 2.0
# What has been found in streams and in videos that go on is committed this often.
_STREAM_SECONDS, _VIDEO_SECONDS = 5.0, 60.0
# Between commits small files are joined this often.
_COMMITS = 64
# A batch that is not full is run when nothing has come for so long.
_PATIENCE = 0.2


@dataclass
class _Open:
    """What is known of a source that is being added.

    Attributes:
        task: The source.
        first: Number of the last frame that is committed.
        last: Number of the last frame seen.
        pictures: Pictures so far, with those of runs before.
        people: People so far, with those of runs before.
        failed: Pictures that could not be prepared.
        fault: What was wrong with it.
        ended: Whether it was read to its end.
        torn: Whether another process has taken people of it away.
    """

    task: Task
    first: int
    last: int
    pictures: int = 0
    people: int = 0
    failed: int = 0
    fault: str = ''
    ended: bool = False
    torn: bool = False


@dataclass
class _Waiting:
    """Rows that wait for a commit, by column."""

    columns: dict[str, list] = field(default_factory=dict)
    feats: list[np.ndarray] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.columns.get('id', ()))

    def put(self, people: People, **columns: list) -> None:
        for name, values in columns.items():
            self.columns.setdefault(name, []).extend(values)
        self.feats.append(people.feats)


class Adding:
    """One run of `Gallery.add`, whose arguments these are."""

    def __init__(
        self,
        index: Index,
        finder: Finder,
        every: float,
        camera: str | None,
        start: float | None,
        min_score: float,
        progress: bool | Progress,
        stop: threading.Event | None,
    ) -> None:
        self.index, self.finder, self.every = index, finder, every
        self.camera, self.start, self.min_score = camera, start, min_score
        self.report = AddReport()
        self._progress = progress
        self._stopped = stop or threading.Event()
        self._open: dict[str, _Open] = {}
        self._waiting = _Waiting()
        self._committed = time.monotonic()
        self._commits = 0
        self._known: dict[str, dict] = {}
        self._known_at = 0.0

    def run(self, sources: Sequence[Source]) -> AddReport:
        """Add sources.

        Raises:
            OSError: The gallery cannot be written.
        """
        begun = time.monotonic()
        ahead = 2 * self.finder.batch
        with until_signal(self._stopped):
            reader = Reader(
                sources, self._plan, self.finder.prepare, self.every, ahead, self._stopped
            )
            bar = Bar(sources, self._progress)
            try:
                for items in self._batches(reader):
                    self._take(items, bar)
                    if self._due():
                        self._commit()
                self._commit()
                self.index.maintain()
            finally:
                # On an error too: threads that read on would keep the process alive.
                reader.close()
                bar.close()
        self.report.stopped = self._stopped.is_set()
        self.report.seconds = time.monotonic() - begun
        return self.report

    def _stamp(self, source: Source) -> str:
        """What must be the same for a source to be passed: its file and how it was added."""
        parts = [] if source.kind == STREAM else [source.stamp()]
        if source.kind == VIDEO:
            parts.append(f'every {self.every:g}')
        parts += [f'score {self.min_score:g}', f'camera {self.camera}', f'start {self.start}']
        return ', '.join(parts)

    def _plan(self, source: Source) -> Task | None:
        """Decide where a source begins; called in the reader's thread when its turn comes.

        What another process has added meanwhile is seen, so that two share their sources.
        """
        if time.time() - self._known_at > _SECONDS:
            # Clocks of machines differ a little.
            recent = f'added > {self._known_at - 600!r}' if self._known else None
            self._known_at = time.time()
            self._known |= {row['source']: row for row in self.index.source_rows(recent)}
        stamp = self._stamp(source)
        row = self._known.get(source.name)
        if row is None or (row['stamp'] != stamp and source.kind != STREAM):
            return Task(source, stamp)
        if row['whole'] and source.kind != STREAM:
            self.report.unchanged += 1
            return None
        return Task(source, stamp, row['last_frame'], row['pictures'], row['people'])

    def _batches(self, reader: Reader) -> Iterator[list[Begun | Look | Ended]]:
        """Items in order, with pictures enough for the network in each list but the last.

        A list is given out early when the reader is slower than the network.
        """
        items: list[Begun | Look | Ended] = []
        looks = 0
        while True:
            try:
                item = reader.next(_PATIENCE)
            except queue.Empty:
                yield items
                items, looks = [], 0
                continue
            except StopIteration:
                yield items
                return
            items.append(item)
            looks += isinstance(item, Look)
            if looks == self.finder.batch:
                yield items
                items, looks = [], 0

    def _take(self, items: Sequence[Begun | Look | Ended], bar: Bar) -> None:
        ready, failed = [], {}
        for look in items:
            if isinstance(look, Look):
                try:
                    ready.append(look.prepared.result())
                except (PictureError, cv2.error, ValueError) as error:
                    failed[id(look)] = error
        begun = time.monotonic()
        found = iter(self.finder.find_prepared(ready) if ready else ())
        self.report.network += time.monotonic() - begun
        for item in items:
            if isinstance(item, Begun):
                task = item.task
                self._open[task.source.name] = _Open(
                    task, task.after, task.after, task.pictures, task.people
                )
                bar.begin(item)
            elif isinstance(item, Ended):
                self._end(item)
            else:
                if id(item) in failed:
                    self._fail(item, failed[id(item)])
                else:
                    self._keep(item, next(found).above(self.min_score))
                if item.last:
                    self._end(Ended(item.task))
                bar.look(self.report.people)

    def _fail(self, look: Look, error: Exception) -> None:
        """Note a picture or frame that cannot be read."""
        source = self._open[look.task.source.name]
        source.failed += 1
        reason = ' '.join(str(error).split())
        source.fault = reason.removeprefix(f'{look.task.source.address}: ')

    def _keep(self, look: Look, people: People) -> None:
        name, count = look.task.source.name, len(people)
        source = self._open[name]
        source.last = look.number
        source.pictures += 1
        source.people += count
        self.report.pictures += 1
        self.report.people += count
        moment = look.moment
        if moment is None and self.start is not None:
            moment = self.start + (look.position or 0.0)
        if moment is None:
            moment = look.position
        self._waiting.put(
            people,
            id=[f'{name}#{look.number}#{n}' for n in range(count)],
            source=[name] * count,
            frame=[look.number] * count,
            position=[look.position] * count,
            time=[moment] * count,
            camera=[self.camera] * count,
            box=list(people.boxes),
            score=people.scores.tolist(),
            stamp=[look.task.stamp] * count,
        )

    def _end(self, item: Ended) -> None:
        name, kind = item.task.source.name, item.task.source.kind
        source = self._open[name]
        faults = [item.fault] if item.fault else []
        if source.failed:
            frames = '' if kind == PICTURE else f'{source.failed} frames: '
            faults.append(f'{frames}{source.fault}')
        source.fault, source.ended = ', '.join(faults), True
        lost = item.lost or (source.failed > 0 and kind == PICTURE)
        if source.fault:
            self.report.broken.append(Broken(name, source.fault, lost))
        if lost:
            # Nothing is known of it now: what an earlier run has found stays, the next one tries
            # again.
            del self._open[name]
        else:
            self.report.sources += 1

    def _due(self) -> bool:
        waited = time.monotonic() - self._committed
        if len(self._waiting) >= _PEOPLE:
            return True
        sources = self._open.values()
        if waited > _SECONDS and any(source.ended for source in sources):
            return True
        if waited > _STREAM_SECONDS and len(self._waiting):
            return any(source.task.source.kind == STREAM for source in sources)
        return waited > _VIDEO_SECONDS

    def _commit(self) -> None:
        """Commit all that waits; sources that have not ended go on after their last frame."""
        waiting, self._waiting = self._waiting, _Waiting()
        begun = [
            source
            for source in self._open.values()
            if source.ended or source.last > source.first or source.task.source.kind == STREAM
        ]
        if begun:
            columns = waiting.columns or {name: [] for name in self.index.schema.names[:-1]}
            feats = [np.empty((0, self.index.dim), np.float32), *waiting.feats]
            people = people_table(columns, np.concatenate(feats), self.index.schema)
            live = {s.task.source.name for s in begun if s.task.source.kind == STREAM}
            fitting = sum(name not in live for name in columns['source'])
            self.index.put_people(people, _replaced(begun), fitting)
            for source in begun:
                self._check(source)
            self.index.put_sources(self._source_table(begun))
            self._commits += 1
        for source in begun:
            source.first = source.last
            if source.ended:
                del self._open[source.task.source.name]
        if self._commits and self._commits % _COMMITS == 0:
            self.index.maintain()
        self._committed = time.monotonic()

    def _check(self, source: _Open) -> None:
        """See that a video of several commits is whole before it is called so.

        Another process that adds it with other settings at the same time would have replaced parts.
        """
        if not source.ended or source.first < 0 or source.task.source.kind == STREAM:
            return
        name, stamp = source.task.source.name, source.task.stamp
        there = self.index.count(f'source = {quoted(name)} AND stamp = {quoted(stamp)}')
        if there != source.people:
            # All of it is done again.
            source.torn, source.last, source.pictures, source.people = True, -1, 0, 0
            reason = 'changed by another process meanwhile; add it again'
            self.report.broken.append(Broken(name, reason))

    def _source_table(self, sources: Sequence[_Open]):
        import pyarrow as pa

        rows = [
            dict(
                source=source.task.source.name,
                kind=source.task.source.kind,
                stamp=source.task.stamp,
                whole=source.ended and not source.torn,
                last_frame=source.last,
                pictures=source.pictures,
                people=source.people,
                camera=self.camera,
                start=self.start,
                fault=source.fault,
                added=time.time(),
            )
            for source in sources
        ]
        return pa.Table.from_pylist(rows, schema=sources_schema())


def _replaced(sources: Sequence[_Open]) -> str | None:
    """SQL for the people in whose place those of a commit come.

    All people of a source that is whole in this commit. Of a long video, those of this commit's
    frames: of an earlier state of the file, or of a run that was killed before it had written the
    source. Nobody of a stream, whose frames never come again.
    """
    at_once, parts = [], []
    for source in sources:
        name = source.task.source.name
        if source.task.source.kind == STREAM:
            continue
        if source.ended and source.first < 0:
            at_once.append(name)
            continue
        frames = f'frame > {source.first}'
        # Frames beyond may be of another process that has come farther with the same file.
        if not source.ended:
            frames += f' AND frame <= {source.last}'
        parts.append(f'source = {quoted(name)} AND {frames}')
    if at_once:
        parts.append(any_of('source', at_once))
    return ' OR '.join(f'({part})' for part in parts) or None
