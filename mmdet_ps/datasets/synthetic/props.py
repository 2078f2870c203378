"""Things that stand about and hide people: posts, bins, planters, benches, cars, signs."""

import cv2
import numpy as np

from .canvas import Canvas, capsule, cloth, ellipse

PROPS = ('post', 'bin', 'planter', 'bench', 'sign', 'car', 'barrier')
# In heights of a person; 0.25 where not named.
HALF_WIDTH = {'car': 1.2, 'barrier': 0.64, 'bench': 0.5, 'planter': 0.4}
_OVERSAMPLING = 2


def _block(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])


def _post(rng, canvas: Canvas) -> None:
    grey = cloth((rng.uniform(60, 150),) * 3)
    canvas.part(_block(-0.03, -1.15, 0.03, 0), grey)
    canvas.part(ellipse(np.array([0, -1.15]), 0.1, 0.08), grey)


def _bin(rng, canvas: Canvas) -> None:
    colour = rng.uniform(40, 150, 3)
    canvas.part(np.array([(-0.14, -0.5), (0.14, -0.5), (0.12, 0), (-0.12, 0)]), cloth(colour))
    canvas.part(_block(-0.16, -0.55, 0.16, -0.48), cloth(0.7 * colour))


def _planter(rng, canvas: Canvas) -> None:
    for _ in range(26):
        centre = np.array([rng.uniform(-0.26, 0.26), rng.uniform(-0.6, -0.26)])
        green = np.array([50, 110, 72]) * rng.uniform(0.6, 1.4)
        canvas.part(ellipse(centre, rng.uniform(0.1, 0.2), rng.uniform(0.1, 0.18)), cloth(green))
    box = np.array([(-0.32, -0.28), (0.32, -0.28), (0.28, 0), (-0.28, 0)])
    canvas.part(box, cloth(rng.uniform(90, 170, 3)))


def _bench(rng, canvas: Canvas) -> None:
    wood = cloth(np.array([60, 95, 135]) * rng.uniform(0.7, 1.3), 'bands', (45, 70, 100))
    for x in (-0.38, 0.38):
        canvas.part(_block(x - 0.02, -0.48, x + 0.02, 0), cloth((50, 50, 50)))
    canvas.part(_block(-0.45, -0.5, 0.45, -0.3), wood)
    canvas.part(_block(-0.47, -0.26, 0.47, -0.18), wood)


def _sign(rng, canvas: Canvas) -> None:
    canvas.part(
        capsule(np.array([0, -0.9]), np.array([0.0, 0]), 0.03, 0.03), cloth((110, 110, 110))
    )
    second = tuple(rng.uniform(150, 255, 3))
    pattern = str(rng.choice(['halves', 'chest', 'checks', 'bands']))
    canvas.part(_block(-0.2, -1.05, 0.2, -0.62), cloth(rng.uniform(20, 200, 3), pattern, second))


def _car(rng, canvas: Canvas) -> None:
    colour = rng.uniform(30, 220, 3)
    for x in (-0.72, 0.72):
        canvas.part(ellipse(np.array([x, -0.16]), 0.34, 0.34), cloth((25, 25, 25)))
        canvas.part(ellipse(np.array([x, -0.16]), 0.15, 0.15), cloth((150, 150, 150)))
    cabin = np.array([(-0.62, -0.5), (-0.42, -0.82), (0.42, -0.82), (0.72, -0.5)])
    canvas.part(cabin, cloth(0.9 * colour))
    glass = np.array([(-0.54, -0.5), (-0.39, -0.76), (0.38, -0.76), (0.6, -0.5)])
    canvas.part(glass, cloth((105, 95, 80)))
    canvas.part(_block(-0.02, -0.78, 0.02, -0.5), cloth(0.9 * colour))
    body = [(-1.15, -0.3), (-1.08, -0.5), (1.0, -0.5), (1.15, -0.36), (1.15, -0.14), (-1.12, -0.14)]
    canvas.part(np.array(body), cloth(colour))


def _barrier(rng, canvas: Canvas) -> None:
    for x in (-0.55, 0.55):
        canvas.part(_block(x - 0.02, -0.5, x + 0.02, 0), cloth((140, 140, 140)))
    paint = cloth((225, 225, 225), 'stripes', (40, 40, 200))
    canvas.part(_block(-0.6, -0.5, 0.6, -0.36), paint)


_DRAW = {
    'post': _post,
    'bin': _bin,
    'planter': _planter,
    'bench': _bench,
    'sign': _sign,
    'car': _car,
    'barrier': _barrier,
}


def draw_prop(rng: np.random.Generator, kind: str, person: float) -> np.ndarray:
    """One thing beside which a person would be ``person`` pixels tall.

    Returns:
        (h, w, 4) float32 layers, colour multiplied by alpha and alpha; stands on the bottom edge.
    """
    half = HALF_WIDTH.get(kind, 0.25)
    width, height = int(np.ceil(2 * half * person)), int(np.ceil(1.25 * person))
    scale = person * _OVERSAMPLING
    canvas = Canvas(
        width * _OVERSAMPLING,
        height * _OVERSAMPLING,
        scale,
        (width * _OVERSAMPLING / 2, height * _OVERSAMPLING - 0.02 * scale),
    )
    _DRAW[kind](rng, canvas)
    layers = canvas.finish(rng, (width, height))
    return cv2.flip(layers, 1) if rng.random() < 0.5 else layers
