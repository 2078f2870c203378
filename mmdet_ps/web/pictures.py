"""What the page shows: people outlined, cards, scenes and short clips.

Pictures come and go as (H, W, 3) uint8 in BGR; boxes are x1 y1 x2 y2 in pixels.
"""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from ..core.visualization.people import crop_person
from ..gallery import Appearance, Hit
from ..gallery.video import Video
from ..utils.pictures import PictureError

# Longest sides of what goes to the browser.
_SCENE, _CLIP = 1600, 640
_CARD = (240, 300)
# Seconds of a video that are shown before and after a hit, and how fast at most.
_AROUND, _RATE = 2.0, 15.0
# A frame of a clip gets the box of a hit that is at most so many seconds away.
_NEAR = 0.3
_OUTLINE, _CHOSEN, _SHADE = (118, 157, 15), (6, 119, 217), (24, 24, 24)


def fit(
    picture: np.ndarray, longest: int = _SCENE, enlarge: bool = False
) -> tuple[np.ndarray, float]:
    """Scale a picture to be sent, down or (where asked) up to a longest side; and its scale."""
    scale = longest / max(picture.shape[:2])
    if scale == 1 or (scale > 1 and not enlarge):
        return picture, 1.0
    size = [max(round(side * scale), 1) for side in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA), scale


def outline(
    picture: np.ndarray, boxes: Sequence[Sequence[float]], chosen: int | None = None
) -> np.ndarray:
    """Draw boxes onto a copy of a picture, the chosen one in another colour and on top."""
    drawn = picture.copy()
    line = max(2, round(max(picture.shape[:2]) / 320))
    order = [n for n in range(len(boxes)) if n != chosen] + ([] if chosen is None else [chosen])
    for n in order:
        x1, y1, x2, y2 = (round(float(value)) for value in boxes[n])
        colour = _CHOSEN if n == chosen else _OUTLINE
        cv2.rectangle(drawn, (x1, y1), (x2, y2), _SHADE, line + 2, cv2.LINE_AA)
        cv2.rectangle(drawn, (x1, y1), (x2, y2), colour, line, cv2.LINE_AA)
    return drawn


def card(hit: Hit) -> np.ndarray:
    """The person of a hit with some surroundings, (300, 240, 3); grey where there is no picture."""
    try:
        changed = os.stat(hit.source).st_mtime_ns
    except OSError:
        changed = 0
    return _card(hit, changed)


@lru_cache(512)
def _card(hit: Hit, changed: int) -> np.ndarray:
    try:
        scene = hit.read()
    except PictureError:
        return np.full((_CARD[1], _CARD[0], 3), 228, np.uint8)
    cut, box = crop_person(scene, hit.box, _CARD)
    return outline(cut, [box])


def clip(appearance: Appearance, path: str | os.PathLike) -> bool:
    """Write the seconds around the best hit of an appearance as a video for browsers (WebM, VP8).

    Args:
        appearance: Of a video.
        path: Must end in ``.webm``.

    Returns:
        Whether there was anything to write.
    """
    best = appearance.best
    if best.position is None or not Path(best.source).is_file():
        return False
    try:
        video = Video(best.source)
    except PictureError:
        return False
    writer = None
    for frame in video.around(best.position, _AROUND, 1 / _RATE):
        near = min(appearance.hits, key=lambda hit: abs(hit.position - frame.position))
        boxes = [near.box] if abs(near.position - frame.position) <= _NEAR else []
        small, _ = fit(outline(frame.picture, boxes), _CLIP)
        # VP8 wants even sides.
        small = small[: small.shape[0] // 2 * 2, : small.shape[1] // 2 * 2]
        if writer is None:
            coding = cv2.VideoWriter.fourcc(*'VP80')
            writer = cv2.VideoWriter(
                os.fspath(path), coding, min(_RATE, video.rate), small.shape[1::-1]
            )
        writer.write(small)
    if writer is None:
        return False
    writer.release()
    return True
