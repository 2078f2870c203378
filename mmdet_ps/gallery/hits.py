"""What a search gives: hits, and appearances that they join to."""

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import overload

import numpy as np

from ..core.visualization.people import Card, draw_cards, save_picture
from ..utils.io import atomic_write
from ..utils.pictures import PictureError
from .pictures import as_picture, read_upright
from .times import format_time
from .video import read_frame


@dataclass(frozen=True)
class Hit:
    """One person found in a gallery.

    Example:
        >>> hit = gallery.search(people.feats[3])[0]
        >>> hit.source, hit.time, hit.similarity
        ('/videos/north.mp4', 12.48, 0.871)
        >>> picture = hit.read()

    Attributes:
        source: Path of the picture or video, or name of the stream.
        time: Seconds into the video, or since 1970 where the source's start is known; None of
            pictures without one.
        box: x1 y1 x2 y2 in pixels of the upright picture.
        score: Of the detection, 0 to 1.
        similarity: Cosine of the two embeddings, -1 to 1.
        camera: Name that the source was added with; None without.
        frame: Number of the frame, from 0; milliseconds since 1970 in streams.
        position: Seconds into the video; None of pictures.
        id: ``source#frame#n``.
    """

    source: str
    time: float | None
    box: tuple[float, float, float, float]
    score: float
    similarity: float
    camera: str | None = None
    frame: int = 0
    position: float | None = None
    id: str = ''

    def read(self) -> np.ndarray:
        """Read the scene that the person was found in.

        Returns:
            (H, W, 3) uint8, BGR.

        Raises:
            PictureError: The file is gone or broken, or it was a stream, which keeps no pictures.
        """
        if not os.path.exists(self.source):
            raise PictureError(f'{self.source}: no such file any more, or a stream')
        if self.position is None:
            return read_upright(self.source)
        return read_frame(self.source, self.position)

    def row(self) -> dict:
        """Plain values, for csv and json."""
        values = asdict(self)
        return values | dict(box=[round(value, 2) for value in self.box])


@dataclass(frozen=True)
class Appearance:
    """Hits of one video that lie close in time.

    Example:
        >>> for appearance in hits.together(5):
        ...     print(appearance.source, appearance.start, appearance.end, appearance.best.box)

    Attributes:
        hits: In order of time.
    """

    hits: tuple[Hit, ...]

    @property
    def source(self) -> str:
        """Where."""
        return self.best.source

    @property
    def camera(self) -> str | None:
        """Which camera."""
        return self.best.camera

    @property
    def start(self) -> float | None:
        """Time of the first hit."""
        return self.hits[0].time

    @property
    def end(self) -> float | None:
        """Time of the last hit."""
        return self.hits[-1].time

    @property
    def best(self) -> Hit:
        """The most similar hit."""
        return max(self.hits, key=lambda hit: hit.similarity)


@dataclass(frozen=True)
class Hits(Sequence[Hit]):
    """Hits of one search, the most similar first.

    Example:
        >>> hits = gallery.search(people.feats[3], top=20)
        >>> len(hits), hits[0].source, hits[0].similarity
        (20, '/videos/north.mp4', 0.871)
        >>> hits.draw('hits.jpg')
        >>> hits.save('hits.csv')
    """

    hits: tuple[Hit, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, place: int) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> 'Hits': ...
    def __getitem__(self, place: int | slice) -> 'Hit | Hits':
        """The hit at a rank, from 0; of a slice, hits again."""
        return Hits(self.hits[place]) if isinstance(place, slice) else self.hits[place]

    def together(self, seconds: float) -> list[Appearance]:
        """Join hits of one video that lie at most so many seconds apart.

        Pictures stay by themselves.

        Returns:
            The appearance with the most similar hit first.
        """
        if not seconds >= 0:
            raise ValueError(f'together={seconds}: must be 0 or more seconds')
        alone = [(hit,) for hit in self.hits if hit.position is None]
        placed = [hit for hit in self.hits if hit.position is not None]
        joined: list[list[Hit]] = []
        for hit in sorted(placed, key=lambda hit: (hit.source, _moment(hit))):
            last = joined[-1][-1] if joined else None
            if last and last.source == hit.source and _moment(hit) - _moment(last) <= seconds:
                joined[-1].append(hit)
            else:
                joined.append([hit])
        found = [Appearance(tuple(part)) for part in [*alone, *joined]]
        return sorted(found, key=lambda appearance: -appearance.best.similarity)

    def table(self) -> str:
        """Rank, similarity, source, time and camera, as text."""
        rows = [
            (str(n + 1), f'{hit.similarity:.3f}', hit.source, format_time(hit.time), hit.camera)
            for n, hit in enumerate(self.hits)
        ]
        return text_table(('rank', 'similarity', 'source', 'time', 'camera'), rows)

    def save(self, path: str | os.PathLike) -> None:
        """Write csv or json, as the file's name ends.

        Raises:
            ValueError: Another ending.
        """
        write_rows(path, [dict(rank=n + 1, **hit.row()) for n, hit in enumerate(self.hits)])

    def draw(
        self,
        path: str | os.PathLike | None = None,
        query: tuple[str | os.PathLike | np.ndarray, Sequence[float]] | None = None,
        columns: int = 5,
    ) -> np.ndarray:
        """Draw the hits as cards: the person in the scene, similarity, place and time.

        Args:
            path: Where to save it as well.
            query: Picture and box of the person searched for, to stand before the hits.
            columns: Cards in a row.

        Returns:
            (H, W, 3) uint8, BGR.
        """
        cards = []
        if query is not None:
            cards.append(Card(as_picture(query[0]), tuple(query[1]), 'query', None, '', ''))
        for rank, hit in enumerate(self.hits, 1):
            try:
                scene = hit.read()
            except PictureError:
                scene = None
            place = ' · '.join(part for part in (hit.camera, format_time(hit.time)) if part)
            name = Path(hit.source).name
            cards.append(Card(scene, hit.box, str(rank), hit.similarity, name, place))
        drawn = draw_cards(cards, columns)
        if path is not None:
            save_picture(path, drawn)
        return drawn


def _moment(hit: Hit) -> float:
    """Where in its source a hit is: streams that were opened again begin at 0 again."""
    return (hit.position or 0.0) if hit.time is None else hit.time


def text_table(header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
    """Columns of text; numbers to the right would need a rule, so all stand to the left."""
    cells = [header, *([cell or '' for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return '\n'.join(
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def write_rows(path: str | os.PathLike, rows: Sequence[dict]) -> None:
    """Write rows of plain values as csv or json, whole or not at all; a box becomes four columns.

    Raises:
        ValueError: The file's name ends otherwise.
    """
    ending = Path(path).suffix.lower()
    if ending == '.json':
        text = json.dumps(rows, indent=1, ensure_ascii=False) + '\n'
    elif ending == '.csv':
        text = _csv(rows)
    else:
        raise ValueError(f'{path}: must end in .csv or .json')
    with atomic_write(path) as stream:
        stream.write(text.encode())


def _csv(rows: Sequence[dict]) -> str:
    flat = []
    for row in rows:
        box = dict(zip(('x1', 'y1', 'x2', 'y2'), row['box'], strict=True))
        flat.append({key: value for key, value in row.items() if key != 'box'} | box)
    names = list(flat[0]) if flat else ['rank', 'source', 'time', 'similarity']
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator='\n')
    writer.writeheader()
    writer.writerows(flat)
    return stream.getvalue()
