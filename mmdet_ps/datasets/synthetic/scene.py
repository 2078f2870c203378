"""One scene: people and things set on the ground of a camera's view, and what is visible of whom.

Shapes: H, W picture size; n people in the scene.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera
from .figure import draw_figure
from .props import HALF_WIDTH, PROPS, draw_prop
from .wardrobe import Wardrobe, draw_wardrobe

# Smallest and largest person, as shares of the picture's height.
SMALLEST, LARGEST = 0.15, 0.84
MIN_VISIBLE = 0.35
_TRIES = 40
_IN_GROUPS = 0.15
_MOSTLY_FREE = 0.3


@dataclass(frozen=True)
class Scene:
    """A rendered scene.

    Attributes:
        picture: (H, W, 3) uint8, blue, green, red.
        boxes: (n, 4) int64 x, y, w, h of the whole person as far as it lies inside the picture.
        visible: (n,) share of the person's pixels that is inside the picture and not hidden.
    """

    picture: np.ndarray
    boxes: np.ndarray
    visible: np.ndarray


@dataclass(frozen=True)
class _Place:
    """Where somebody stands: axis column, row of the feet, height in pixels."""

    x: float
    foot: float
    height: float

    @property
    def box(self) -> np.ndarray:
        half = 0.15 * self.height
        return np.array([self.x - half, self.foot - self.height, self.x + half, self.foot])


def _hidden(place: _Place, nearer: Sequence[_Place], size: tuple[int, int]) -> float:
    """Rough share of a person that is outside the picture or behind people that stand nearer."""
    x1, y1, x2, y2 = place.box
    area = (x2 - x1) * (y2 - y1)
    width, height = size
    inside = max(0, min(x2, width) - max(x1, 0)) * max(0, min(y2, height) - max(y1, 0))
    hidden = area - inside
    for other in nearer:
        a1, b1, a2, b2 = other.box
        hidden += max(0, min(x2, a2) - max(x1, a1)) * max(0, min(y2, b2) - max(y1, b1))
    return hidden / area


def _draw_place(rng: np.random.Generator, camera: Camera, size: tuple[int, int]) -> _Place:
    """A place on the ground, for heights spread on a log scale; some are cut by the border."""
    width, height = size
    tall = height * float(SMALLEST * (LARGEST / SMALLEST) ** rng.beta(1.6, 1.6))
    foot = camera.foot_row(tall)
    margin = 0.12 * tall
    x = rng.uniform(-0.2 * margin, width + 0.2 * margin)
    if rng.random() > 0.1:
        x = rng.uniform(margin, width - margin)
    return _Place(float(x), foot, tall * float(rng.uniform(0.93, 1.07)))


def _arrange(rng, camera: Camera, count: int, size: tuple[int, int]) -> list[_Place]:
    """Places for everybody, far to near, none of them hidden for the most part."""
    best: tuple[float, list[_Place]] | None = None
    for _ in range(_TRIES):
        places: list[_Place] = []
        for _ in range(count):
            options = [_draw_place(rng, camera, size) for _ in range(4)]
            # People come in groups: often the first place tried is beside somebody.
            if places and rng.random() < _IN_GROUPS:
                mate = places[int(rng.integers(len(places)))]
                shift = rng.choice([-1, 1]) * rng.uniform(0.24, 0.42) * mate.height
                near = _Place(
                    mate.x + shift, mate.foot + rng.normal(0, 0.01) * size[1], mate.height
                )
                options = [near, *options]
            for place in options:
                if _worst([*places, place], size) < _MOSTLY_FREE:
                    break
            places.append(place)
        worst = _worst(places, size)
        if best is None or worst < best[0]:
            best = (worst, places)
        if worst < 0.5:
            break
    assert best is not None
    return sorted(best[1], key=lambda place: place.foot)


def _worst(places: list[_Place], size: tuple[int, int]) -> float:
    return max(
        _hidden(place, [other for other in places if other.foot > place.foot], size)
        for place in places
    )


def _paste(picture: np.ndarray, layers: np.ndarray, x: int, y: int) -> tuple[slice, slice] | None:
    """Blend layers over the picture, top-left corner at x, y; the window that they cover."""
    height, width = picture.shape[:2]
    y1, y2 = max(y, 0), min(y + layers.shape[0], height)
    x1, x2 = max(x, 0), min(x + layers.shape[1], width)
    if y1 >= y2 or x1 >= x2:
        return None
    part = layers[y1 - y : y2 - y, x1 - x : x2 - x]
    window = (slice(y1, y2), slice(x1, x2))
    picture[window] = picture[window] * (1 - part[..., 3:]) + part[..., :3]
    return window


def _shadow(picture: np.ndarray, place: _Place, half_width: float) -> None:
    """A soft dark spot under what stands there, ``half_width`` in heights of a person."""
    height, width = picture.shape[:2]
    rx, ry = half_width * place.height, 0.05 * place.height
    x1, x2 = int(max(0, place.x - rx)), int(min(width, place.x + rx + 1))
    y1, y2 = int(max(0, place.foot - ry)), int(min(height, place.foot + ry + 1))
    if x1 >= x2 or y1 >= y2:
        return
    dx = (np.arange(x1, x2)[None] - place.x) / rx
    dy = (np.arange(y1, y2)[:, None] - place.foot) / ry
    depth = 0.5 * np.clip(1 - dx**2 - dy**2, 0, 1)
    picture[y1:y2, x1:x2] *= (1 - depth)[..., None].astype(np.float32)


def _attempt(rng, camera: Camera, wardrobes: Sequence[Wardrobe | None]) -> Scene:
    """One rendering; somebody may turn out to be hidden."""
    height, width = camera.background.shape[:2]
    picture = camera.background.copy()
    places = _arrange(rng, camera, len(wardrobes), (width, height))
    who = rng.permutation(len(wardrobes))
    things = [(place, int(index), '') for place, index in zip(places, who, strict=True)]
    for _ in range(int(rng.poisson(1.2))):
        things.append((_draw_place(rng, camera, (width, height)), -1, str(rng.choice(PROPS))))
    owner = np.full((height, width), -1, np.int32)
    boxes = np.zeros((len(wardrobes), 4), np.int64)
    total = np.ones(len(wardrobes))
    for place, index, prop in sorted(things, key=lambda thing: thing[0].foot):
        _shadow(picture, place, HALF_WIDTH.get(prop, 0.2))
        if prop:
            layers = draw_prop(rng, prop, place.height)
            body = layers[..., 3] > 0.5
        else:
            figure = draw_figure(rng, wardrobes[index] or draw_wardrobe(rng), place.height)
            layers, body = figure.layers, figure.body
        x = int(round(place.x - layers.shape[1] / 2))
        # The layers of a person reach below the feet.
        below = 0.0 if prop else 0.07 * place.height
        y = int(round(place.foot + below - layers.shape[0]))
        window = _paste(picture, layers, x, y)
        if window is not None:
            cover = layers[window[0].start - y :, window[1].start - x :, 3]
            cover = cover[: window[0].stop - window[0].start, : window[1].stop - window[1].start]
            owner[window][cover > 0.5] = index
        if not prop:
            x1, y1, x2, y2 = figure.box
            x1, x2 = np.clip([x1 + x, x2 + x], 0, width)
            y1, y2 = np.clip([y1 + y, y2 + y], 0, height)
            boxes[index] = x1, y1, x2 - x1, y2 - y1
            total[index] = body.sum()
    seen = np.bincount(owner[owner >= 0], minlength=len(wardrobes))
    return Scene(camera.expose(picture, rng), boxes, np.minimum(seen / total, 1.0))


def _sound(scene: Scene) -> bool:
    """Everybody can be seen and no two boxes are the same."""
    distinct = len(np.unique(scene.boxes, axis=0)) == len(scene.boxes)
    tall = scene.boxes[:, 2:].min() >= 4
    return bool(distinct and tall and scene.visible.min() >= MIN_VISIBLE)


def render_scene(
    seeds: np.random.SeedSequence, camera: Camera, wardrobes: Sequence[Wardrobe | None]
) -> Scene:
    """Render a scene in which each of ``wardrobes`` (None: a stranger) is visible at least in part.

    Raises:
        RuntimeError: no arrangement was found in which everybody can be seen.
    """
    cv2.setNumThreads(1)
    for _ in range(_TRIES):
        scene = _attempt(np.random.default_rng(seeds.spawn(1)[0]), camera, wardrobes)
        if _sound(scene):
            return scene
    raise RuntimeError(f'{len(wardrobes)} people do not fit into one scene')
