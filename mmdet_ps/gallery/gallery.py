"""A gallery of people: filled from pictures and videos, searched by embedding."""

import datetime
import os
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .adding import Adding
from .filters import Filter, any_of, source_condition
from .finder import Finder
from .hits import Hit, Hits
from .index import Index
from .progress import Progress
from .report import AddReport
from .sources import Given, expand_sources
from .times import parse_time

Time = str | float | datetime.datetime


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=2)


@dataclass(frozen=True)
class SourceInfo:
    """A source in a gallery.

    Example:
        >>> [source.name for source in gallery.sources() if source.fault]
        ['/videos/cut.avi']

    Attributes:
        name: Path of the picture or video, or name of the stream.
        kind: ``'picture'``, ``'video'`` or ``'stream'``.
        camera: Name that it was added with.
        start: Seconds since 1970 at which it begins, where that is known.
        pictures: Pictures or frames that the network looked at.
        people: People found in them.
        whole: False of a video or stream whose indexing has not come to its end.
        fault: What could not be read; empty where all could.
        added: Seconds since 1970.
    """

    name: str
    kind: str
    camera: str | None
    start: float | None
    pictures: int
    people: int
    whole: bool
    fault: str
    added: float


class Gallery:
    """People found in pictures and videos, in a folder.

    Several processes may add to one folder and search it at once.

    Example:
        >>> gallery = searcher.gallery('my_people')
        >>> gallery.add(['videos/', 'a.jpg'], every=0.5, camera='north')
        >>> hits = gallery.search(people.feats[3], top=20, cameras=['north'], min_score=0.3)

    Args:
        folder: Path, or an address of object storage that LanceDB opens (``s3://...``).
        finder: What `add` finds people with; without one a gallery is only searched.
        create: Whether a gallery that is not there is made.

    Raises:
        FileNotFoundError: There is no gallery, and none is to be made.
        ValueError: It belongs to another model, or LanceDB is missing.
        OSError: The folder cannot be used.
    """

    def __init__(
        self, folder: str | os.PathLike, finder: Finder | None = None, create: bool = True
    ) -> None:
        self.folder, self.finder = os.fspath(folder), finder
        dim, model = (finder.dim, finder.model) if finder else (None, None)
        self.index = Index(folder, dim, model, create and finder is not None, _warn)

    def __len__(self) -> int:
        """How many people are in it."""
        return self.index.count()

    def add(
        self,
        sources: Given | Sequence[Given],
        every: float = 0.5,
        camera: str | None = None,
        start: Time | None = None,
        min_score: float = 0.2,
        progress: bool | Progress = True,
        stop: threading.Event | None = None,
    ) -> AddReport:
        """Find the people in pictures, videos and streams, and keep them.

        A source that is in the gallery already is passed, unless its file has changed (its size or
        time of last change) or it is added with another ``every``, ``camera``, ``start`` or
        ``min_score``: then the new people take the place of the old. A run that was killed goes on
        where it was when it is started again. SIGINT and SIGTERM end it after keeping what it has
        found; streams and cameras run until then.

        Args:
            sources: Pictures, folders (with all that is in them), globs, videos, addresses such as
                ``rtsp://...`` and camera numbers; one or several.
            every: Seconds between the frames of a video that are looked at; 0 takes each.
            camera: Name to search by.
            start: When the sources begin, by the clock: their times then are seconds since 1970.
                A stream begins when it is opened.
            min_score: People with a lower detection score are left out.
            progress: Whether a bar is drawn on stderr; or a function that is told of each picture,
                see `mmdet_ps.gallery.progress.Progress`.
            stop: Ends the run as a signal does when it is set, by another thread say.

        Returns:
            What was done, and what could not be read.

        Raises:
            FileNotFoundError: No such source.
            ValueError: An argument makes no sense.
            OSError: The gallery cannot be written, a full disk say; what was added before stays.
        """
        if self.finder is None:
            raise ValueError(f'{self.folder}: opened without a model; it can only be searched')
        if not 0 <= every < float('inf'):
            raise ValueError(f'every={every}: must be 0 (each frame) or more seconds')
        if not 0 <= min_score <= 1:
            raise ValueError(f'min_score={min_score}: must be 0 to 1')
        moment = None if start is None else parse_time(start)
        adding = Adding(self.index, self.finder, every, camera, moment, min_score, progress, stop)
        return adding.run(expand_sources(sources))

    def search(
        self,
        feat: np.ndarray,
        top: int = 20,
        cameras: Sequence[str] | str | None = None,
        sources: Sequence[str] | str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        min_score: float | None = None,
        min_similarity: float | None = None,
    ) -> Hits:
        """Find the most similar people.

        Args:
            feat: (D,), of `People.feats` or `PersonSearcher.describe`.
            top: At most so many hits.
            cameras: Only of these cameras.
            sources: Only of sources that one of these globs fits (``*`` anything, ``?`` one
                character); one without a slash is that of a file's name.
            since: Only from this time on; see `mmdet_ps.gallery.times.parse_time`.
            until: Only up to this time.
            min_score: Only detections with at least this score.
            min_similarity: Only hits with at least this similarity.

        Returns:
            Hits, the most similar first.

        Raises:
            ValueError: An embedding of another size, not finite or zero; or another argument that
                makes no sense.
        """
        feat = np.asarray(feat, np.float32)
        if feat.shape == (1, self.index.dim):
            feat = feat[0]
        if feat.shape != (self.index.dim,):
            raise ValueError(f'an embedding has {self.index.dim} numbers here, not {feat.shape}')
        if not np.isfinite(feat).all() or not feat.any():
            raise ValueError('the embedding is zero or not finite')
        if top < 1:
            raise ValueError(f'top={top}: must be 1 or more')
        chosen = Filter(
            cameras=[cameras] if isinstance(cameras, str) else cameras,
            sources=[sources] if isinstance(sources, str) else sources,
            since=None if since is None else parse_time(since),
            until=None if until is None else parse_time(until),
            min_score=min_score,
        )
        rows = self.index.search(feat, top, chosen.condition(), min_similarity)
        return Hits(tuple(Hit(**{**row, 'box': tuple(row['box'])}) for row in rows))

    def sources(self) -> list[SourceInfo]:
        """Give the sources in the gallery, by name."""
        rows = sorted(self.index.source_rows(), key=lambda row: row['source'])
        fields = SourceInfo.__dataclass_fields__
        return [
            SourceInfo(row['source'], **{name: row[name] for name in fields if name in row})
            for row in rows
        ]

    def remove(self, source: str | os.PathLike) -> int:
        """Remove a source and its people.

        Args:
            source: Its path or name, or a glob as in `search`.

        Returns:
            How many sources were removed.

        Raises:
            KeyError: There is none.
        """
        text = os.fspath(source)
        if '*' in text or '?' in text:
            condition = source_condition(text)
        else:
            condition = any_of('source', [text, os.path.abspath(text)])
        removed = self.index.remove(condition)
        if not removed:
            raise KeyError(f'{self.folder}: there is no source {text} in this gallery')
        return removed

    def maintain(self, force: bool = False) -> list[str]:
        """Build and mend what makes a large gallery fast.

        Above 20,000 people the columns that are filtered are indexed, above 200,000 the embeddings.
        Where more than a tenth of the people is not in the indices yet, or there are 64 small files
        or more, all is brought up to date. Versions of the last hour are kept, for readers that
        are at them. `add` does this at its end.

        Args:
            force: Whether to do all of it at once, whatever the rule says.

        Returns:
            What was done.
        """
        return self.index.maintain(force)
