"""What happens on the page, without the page: a scene, a person in it, hits and their cards."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..gallery import AddReport, Appearance, Gallery, Hit, Hits
from ..gallery.sources import STREAM, VIDEO
from ..gallery.times import format_time
from ..gallery.video import Video
from .pictures import fit, outline
from .uploads import keep_upload

if TYPE_CHECKING:
    from ..apis import PersonSearcher

CARDS = 12
# Hits that are looked for at first; four times as many when their last page has been reached.
FIRST_HITS = 500
# Hits differ less than this in similarity where they are joined to an appearance.
BAND = 0.1
# People with lower detection scores are not outlined.
MIN_SCORE = 0.2
# Overlap with which a box found again is that of the hit.
_SAME = 0.5


@dataclass
class Scene:
    """A picture with the people in it.

    Attributes:
        picture: (H, W, 3) uint8, BGR, as large as it is shown.
        boxes: (n, 4), in pixels of it.
        feats: (n, D).
        chosen: Number of the person that is searched.
    """

    picture: np.ndarray
    boxes: np.ndarray
    feats: np.ndarray
    chosen: int | None = None

    def drawn(self) -> np.ndarray:
        """The picture with everybody outlined."""
        return outline(self.picture, self.boxes, self.chosen)

    def person_at(self, x: float, y: float) -> int | None:
        """Number of the person at a point; of several, the one with the smallest box."""
        x1, y1, x2, y2 = self.boxes.T
        inside = (x1 <= x) & (x <= x2) & (y1 <= y) & (y <= y2)
        areas = np.where(inside, (x2 - x1) * (y2 - y1), np.inf)
        return int(areas.argmin()) if inside.any() else None


@dataclass
class Wanted:
    """What hits must be like; empty texts and lists leave it open.

    Attributes:
        cameras: Names.
        since: Earliest time, see `mmdet_ps.gallery.times.parse_time`.
        until: Latest time.
        min_similarity: Of the hits.
        min_score: Of the detections.
        together: Hits of a video at most so many seconds apart are joined; None joins none.
    """

    cameras: Sequence[str] = ()
    since: str = ''
    until: str = ''
    min_similarity: float = 0.0
    min_score: float = 0.0
    together: float | None = 5.0


@dataclass
class Visit:
    """What one visitor sees; it stays on this side, the browser only has numbers of cards.

    Attributes:
        scene: On the left.
        wanted: The filters.
        hits: All that were looked for.
        cards: The hits, joined to appearances.
        page: Which cards are shown, from 0.
        open: Card whose scene is shown.
        more: Whether there may be more hits.
        sources: Names of the gallery's pictures and videos, in the order in which they are offered.
    """

    scene: Scene | None = None
    wanted: Wanted = field(default_factory=Wanted)
    hits: Hits = field(default_factory=Hits)
    cards: list[Appearance] = field(default_factory=list)
    page: int = 0
    open: Appearance | None = None
    more: bool = False
    sources: list[str] = field(default_factory=list)

    @property
    def pages(self) -> int:
        """How many pages there are so far."""
        return max(-(-len(self.cards) // CARDS), 1)

    def shown(self) -> list[Appearance]:
        """The cards of this page."""
        return self.cards[self.page * CARDS : (self.page + 1) * CARDS]


class Desk:
    """A gallery and the model that fills it.

    Args:
        searcher: The model.
        gallery: Of that model.
        uploads: Folder for files that visitors add; None where they cannot.
    """

    def __init__(
        self, searcher: 'PersonSearcher', gallery: Gallery, uploads: str | os.PathLike | None
    ) -> None:
        self.searcher, self.gallery, self.uploads = searcher, gallery, uploads
        self._adding = threading.Lock()

    def look(self, picture: np.ndarray) -> Scene:
        """Find the people of a picture."""
        people = self.searcher.find(picture).above(MIN_SCORE)
        # Gradio tells rightly where a picture was clicked if the browser does not enlarge it.
        shown, scale = fit(picture, enlarge=True)
        return Scene(shown, people.boxes * scale, people.feats)

    def scenes(self) -> list[tuple[str, str]]:
        """Pictures and videos of the gallery: a short name and the source's own, in its order."""
        names = [source.name for source in self.gallery.sources() if source.kind != STREAM]
        return list(zip(short_names(names), names, strict=True))

    def cameras(self) -> list[str]:
        """Names of the cameras."""
        return sorted({source.camera for source in self.gallery.sources() if source.camera})

    def seconds(self, name: str) -> float | None:
        """How long a source lasts; None for pictures.

        Raises:
            PictureError: A video that cannot be opened any more.
        """
        kinds = {source.name: source.kind for source in self.gallery.sources()}
        return Video(name).seconds if kinds[name] == VIDEO else None

    def at(self, name: str, seconds: float | None) -> Scene:
        """Find the people of a scene of the gallery.

        Raises:
            PictureError: It cannot be read any more, or a video ends before.
        """
        return self.look(Hit(name, None, (0, 0, 0, 0), 0, 0, position=seconds).read())

    def at_hit(self, hit: Hit) -> Scene:
        """Show a hit's scene with that person chosen.

        Raises:
            PictureError: It cannot be read any more.
        """
        picture = hit.read()
        scene = self.look(picture)
        scale = scene.picture.shape[1] / picture.shape[1]
        box = np.asarray(hit.box, np.float32) * scale
        overlaps = overlap(scene.boxes, box)
        if len(overlaps) and overlaps.max() >= _SAME:
            scene.chosen = int(overlaps.argmax())
            return scene
        # Found with a lower score than is outlined here.
        feat = self.searcher.describe(picture, hit.box)
        scene.boxes = np.concatenate([scene.boxes, box[None]])
        scene.feats = np.concatenate([scene.feats, feat[None]])
        scene.chosen = len(scene.boxes) - 1
        return scene

    def search(self, visit: Visit, top: int = FIRST_HITS) -> None:
        """Search the chosen person of the scene, if there is one, and go to the first page.

        Raises:
            ValueError: A time that is none.
        """
        visit.hits, visit.cards, visit.page, visit.open, visit.more = Hits(), [], 0, None, False
        if visit.scene is None or visit.scene.chosen is None:
            return
        wanted = visit.wanted
        visit.hits = self.gallery.search(
            visit.scene.feats[visit.scene.chosen],
            top,
            cameras=wanted.cameras or None,
            since=wanted.since.strip() or None,
            until=wanted.until.strip() or None,
            min_score=wanted.min_score or None,
            min_similarity=wanted.min_similarity or None,
        )
        visit.cards = appearances(visit.hits, wanted.together)
        visit.more = len(visit.hits) == top

    def turn(self, visit: Visit, by: int) -> None:
        """Turn pages; behind the last one more hits are looked for where there are any."""
        page = visit.page + by
        if page >= visit.pages and visit.more:
            self.search(visit, 4 * len(visit.hits))
        visit.page = min(max(page, 0), visit.pages - 1)
        visit.open = None

    def add(
        self,
        files: Sequence[str | os.PathLike],
        camera: str,
        start: str,
        every: float,
        progress,
    ) -> AddReport:
        """Keep files that were sent and add them to the gallery; one visitor after the other.

        Raises:
            ValueError: A file that is neither picture nor video, or a time that is none.
            OSError: The disk is full, say.
        """
        if self.uploads is None:
            raise ValueError('files cannot be added to this gallery from here')
        kept = [keep_upload(file, self.uploads) for file in files]
        with self._adding:
            return self.gallery.add(
                kept, every, camera.strip() or None, start.strip() or None, progress=progress
            )


def appearances(hits: Hits, seconds: float | None) -> list[Appearance]:
    """Join hits of one video that are close in time and of similar similarity.

    Hits are sorted into bands of similarity, so that the person's own hits are not joined with
    those of everybody else who walks by; of one frame only the best of a band is joined, as nobody
    is in it twice.

    Args:
        hits: The most similar first.
        seconds: They are at most so far apart; None joins none.
    """
    if seconds is None:
        return [Appearance((hit,)) for hit in hits]
    bands: dict[int, list[Hit]] = {}
    alone, frames = [], set()
    for hit in hits:
        band = int((hits[0].similarity - hit.similarity) / BAND)
        frame = (band, hit.source, hit.frame)
        if frame in frames:
            alone.append(Appearance((hit,)))
        else:
            frames.add(frame)
            bands.setdefault(band, []).append(hit)
    joined = [one for band in bands.values() for one in Hits(tuple(band)).together(seconds)]
    return sorted(joined + alone, key=lambda one: -one.best.similarity)


def short_names(names: Sequence[str]) -> list[str]:
    """Paths without the folders that all of them share."""
    folders = {os.path.dirname(name) for name in names}
    common = os.path.commonpath(folders) if folders else ''
    return [os.path.relpath(name, common) for name in names]


def overlap(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes with one, (n,)."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    common = sides.clip(0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return common / (areas - common)


def span(one: Appearance) -> str:
    """When an appearance begins and ends; a day that both share is written once."""
    begin, end = format_time(one.start), format_time(one.end)
    day, space, clock = end.rpartition(' ')
    if begin == end:
        return begin
    return f'{begin} – {clock if space and begin.startswith(day) else end}'


def card_text(one: Appearance) -> str:
    """Similarity, camera and time of a card."""
    best = one.best
    place = best.camera or Path(best.source).stem
    count = f'{len(one.hits)} hits' if len(one.hits) > 1 else ''
    return ' · '.join(part for part in (f'{best.similarity:.2f}', place, span(one), count) if part)
