"""Painting of shaded, patterned parts on a canvas with a mask.

Shapes: H, W canvas size in pixels. Colours are blue, green, red, 0 to 255.
"""

from collections.abc import Callable

import cv2
import numpy as np

_SHIFT = 4
_CIRCLE = np.stack(
    [np.cos(np.linspace(0, 2 * np.pi, 16, False)), np.sin(np.linspace(0, 2 * np.pi, 16, False))], 1
)

Texture = Callable[[np.ndarray, np.ndarray], np.ndarray]


def capsule(a: np.ndarray, b: np.ndarray, width_a: float, width_b: float) -> np.ndarray:
    """Outline of a limb from ``a`` to ``b``: hull of two discs of the given diameters, (n, 2)."""
    points = np.concatenate([a + _CIRCLE * width_a / 2, b + _CIRCLE * width_b / 2])
    return cv2.convexHull(points.astype(np.float32))[:, 0]


def ellipse(centre: np.ndarray, width: float, height: float) -> np.ndarray:
    """Outline of an upright ellipse, (16, 2)."""
    return np.asarray(centre) + _CIRCLE * (width / 2, height / 2)


def _wave(x: np.ndarray) -> np.ndarray:
    """1 on the first half of every unit interval, 0 on the second."""
    return (x - np.floor(x) < 0.5).astype(np.float32)


def _bands(u, v):
    return _wave(v / 0.115)


def _stripes(u, v):
    return _wave(u / 0.085 + 0.25)


def _checks(u, v):
    return 0.5 * (_wave(u / 0.11 + 0.25) + _wave(v / 0.11))


def _dots(u, v):
    row = np.floor(v / 0.075)
    du = (u / 0.085 + 0.5 * (row % 2)) % 1 - 0.5
    dv = (v / 0.075) % 1 - 0.5
    return (du**2 + dv**2 < 0.1).astype(np.float32)


def _halves(u, v):
    return (v > 0.17).astype(np.float32)


def _chest(u, v):
    return ((v > 0.08) & (v < 0.2)).astype(np.float32)


def _sash(u, v):
    return (np.abs(u + 0.75 * (v - 0.16)) < 0.045).astype(np.float32)


# u: across, from the middle of the part; v: down from its top; both in body heights.
PATTERN_MASKS = {
    'bands': _bands,
    'stripes': _stripes,
    'checks': _checks,
    'dots': _dots,
    'halves': _halves,
    'chest': _chest,
    'sash': _sash,
}


def cloth(colour, pattern: str = 'plain', second=None) -> Texture:
    """Texture of a cloth: maps u, v (H, W) in body heights to colours (H, W, 3)."""
    main = np.asarray(colour, np.float32)
    if pattern == 'plain':
        return lambda u, v: np.broadcast_to(main, (*u.shape, 3))
    other = np.asarray(second, np.float32)
    mask = PATTERN_MASKS[pattern]

    def texture(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        share = mask(u, v)[..., None]
        return main * (1 - share) + other * share

    return texture


class Canvas:
    """A figure in the making: ``colour`` (H, W, 3) float32 and ``alpha`` (H, W) 0 or 1.

    Coordinates are body heights, x to the right from the figure's axis, y down from its feet (the
    head is at -1); ``scale`` is pixels a body height, ``origin`` the pixel of (0, 0).
    """

    def __init__(self, width: int, height: int, scale: float, origin: tuple[float, float]):
        self.colour = np.zeros((height, width, 3), np.float32)
        self.alpha = np.zeros((height, width), np.float32)
        self.scale = scale
        self.origin = np.asarray(origin, np.float64)

    def _window(self, outline: np.ndarray, grow: int) -> tuple[slice, slice] | None:
        height, width = self.alpha.shape
        x1, y1 = np.maximum(np.floor(outline.min(0)).astype(int) - grow, 0)
        x2, y2 = np.ceil(outline.max(0)).astype(int) + grow + 1
        x2, y2 = min(x2, width), min(y2, height)
        return (slice(y1, y2), slice(x1, x2)) if x1 < x2 and y1 < y2 else None

    def part(
        self,
        outline: np.ndarray,
        texture: Texture,
        top: np.ndarray | None = None,
        axis: np.ndarray | None = None,
        squeeze: float = 1.0,
        edge: float = 0.72,
        roundness: float = 0.35,
    ) -> None:
        """Paint a filled outline (n, 2) in body heights.

        Args:
            outline: corners; need not be convex.
            texture: colours by position in the part.
            top: where v is 0; the outline's highest point otherwise.
            axis: direction in which v grows; straight down otherwise.
            squeeze: how much a turned body foreshortens the texture across (1 = seen flat).
            edge: factor on what lies just around the part, as its contact shadow.
            roundness: how much the part darkens towards its sides.
        """
        pixels = outline * self.scale + self.origin
        grow = max(1, int(round(self.scale * 0.008)))
        window = self._window(pixels, grow)
        if window is None:
            return
        offset = np.array([window[1].start, window[0].start])
        corners = np.round((pixels - offset) * (1 << _SHIFT)).astype(np.int32)
        shape = (window[0].stop - window[0].start, window[1].stop - window[1].start)
        mask = np.zeros(shape, np.uint8)
        cv2.fillPoly(mask, [corners], 1, cv2.LINE_8, _SHIFT)
        rim = cv2.dilate(mask, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8))

        x = (np.arange(shape[1]) + offset[0] - self.origin[0]) / self.scale
        y = (np.arange(shape[0]) + offset[1] - self.origin[1]) / self.scale
        if top is None:
            top = np.array([(outline[:, 0].min() + outline[:, 0].max()) / 2, outline[:, 1].min()])
        along = np.array([0.0, 1.0]) if axis is None else axis / (np.linalg.norm(axis) + 1e-9)
        dx, dy = (x - top[0])[None], (y - top[1])[:, None]
        u = dx * along[1] - dy * along[0]
        v = dx * along[0] + dy * along[1]
        half = np.abs((outline - top) @ np.array([along[1], -along[0]])).max() + 1e-6
        side = np.clip(u / half, -1, 1)
        shade = 1.06 - roundness * side**2 - 0.1 * side
        painted = texture(u / max(squeeze, 0.35), v) * shade[..., None]

        inside = mask.astype(bool)
        colour, alpha = self.colour[window], self.alpha[window]
        colour[(rim > 0) & ~inside] *= edge
        colour[inside] = painted[inside]
        alpha[inside] = 1

    def finish(self, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        """Fold shadows on the cloth, then reduce to ``size`` (width, height).

        Returns:
            (height, width, 4) float32: colour multiplied by alpha, and alpha in 0..1.
        """
        height, width = self.alpha.shape
        folds = rng.normal(0, 1, (max(2, height // 14), max(2, width // 14))).astype(np.float32)
        folds = cv2.resize(folds, (width, height), interpolation=cv2.INTER_CUBIC)
        shaded = np.clip(self.colour * (1 + 0.07 * folds[..., None]), 0, 255)
        layers = np.dstack([shaded * self.alpha[..., None], self.alpha])
        return cv2.resize(layers, size, interpolation=cv2.INTER_AREA)
