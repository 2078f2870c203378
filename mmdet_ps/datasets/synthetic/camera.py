"""Fixed cameras: what they look at, and what their optics and colours do to it.

Pictures are (H, W, 3) float32, blue, green, red, 0 to 255.
"""

from dataclasses import dataclass

import cv2
import numpy as np

NUM_CAMERAS = 6
# Logarithmic: gains of the three channels, and of the whole picture from camera to camera. With
# these, mean colours of true boxes reach 46 mAP in galleries of 50; without any, 64.
TINT_STRENGTH = 0.12
BRIGHTNESS_SPREAD = 0.1
LEAST_SATURATION = 0.8

_GROUNDS = ('tiles', 'asphalt', 'grass', 'planks', 'court', 'paving')
_BACKDROPS = ('facade', 'park', 'skyline', 'shops', 'wall', 'facade')
_GROUND_COLOURS = {
    'tiles': (168, 176, 182),
    'asphalt': (104, 102, 100),
    'grass': (84, 132, 104),
    'planks': (104, 138, 166),
    'court': (112, 118, 150),
    'paving': (140, 148, 150),
}


@dataclass(frozen=True)
class Camera:
    """One camera.

    Attributes:
        background: (H, W, 3) what it sees without people.
        horizon: row, in pixels, at which a standing person would be of height 0.
        slope: pixels of height that a person gains for each row that its feet are lower.
        tint: (3, 3) matrix on blue, green, red in 0..1.
        gamma: exponent on brightness.
        blur: standard deviation of the optics' blur, pixels.
        noise: standard deviation of the sensor's noise, grey levels.
    """

    background: np.ndarray
    horizon: float
    slope: float
    tint: np.ndarray
    gamma: float
    blur: float
    noise: float

    def foot_row(self, height: float) -> float:
        """Row of the feet of a person that is ``height`` pixels tall."""
        return self.horizon + height / self.slope

    def expose(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What the camera records, uint8 (H, W, 3); light and noise change by picture."""
        light = np.exp(rng.normal(0, 0.05)) * np.exp(rng.normal(0, 0.02, 3))
        seen = np.clip(picture / 255 * light, 0, 1) @ self.tint.T
        seen = np.clip(seen, 0, 1) ** self.gamma
        seen = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), self.blur)
        noise = rng.normal(0, self.noise, seen.shape).astype(np.float32)
        return np.clip(seen * 255 + noise, 0, 255).astype(np.uint8)


def _smooth_noise(rng, width: int, height: int, cells: int) -> np.ndarray:
    """(height, width) noise of unit variance with about ``cells`` bumps across."""
    shape = (max(2, cells * height // width), max(2, cells))
    coarse = rng.normal(0, 1, shape).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def _fill(picture, x1, y1, x2, y2, colour) -> None:
    cv2.rectangle(
        picture,
        (int(x1), int(y1)),
        (int(x2), int(y2)),
        tuple(float(c) for c in colour),
        -1,
        cv2.LINE_AA,
    )


def _ground(rng, kind: str, width: int, height: int, horizon: float) -> np.ndarray:
    """Ground plane in perspective, for all rows of the picture."""
    rows = np.arange(height, dtype=np.float32)[:, None]
    depth = height / np.maximum(rows - horizon, 1.0)
    across = (np.arange(width, dtype=np.float32)[None] - width / 2) / width * depth * 3
    depth = np.broadcast_to(depth * 2.2, across.shape)
    base = np.array(_GROUND_COLOURS[kind], np.float32)
    level = np.ones((height, width), np.float32)
    detail = np.clip(3.2 / depth, 0, 1)
    if kind in ('tiles', 'paving'):
        size = 0.55 if kind == 'tiles' else 0.9
        shift = 0 if kind == 'tiles' else 0.5 * (np.floor(depth / size) % 2)
        joint = (across / size + shift) % 1 < 0.05
        joint |= (depth / size) % 1 < 0.07
        level -= 0.22 * joint * detail
        if kind == 'tiles':
            odd = (np.floor(across / size) + np.floor(depth / size)) % 2
            level -= 0.07 * odd * detail
    elif kind == 'planks':
        level -= 0.25 * ((depth / 0.35) % 1 < 0.1) * detail
        level += 0.06 * (np.floor(depth / 0.35) % 3 - 1) * detail
    colour = base * level[..., None]
    if kind == 'asphalt':
        stripe = ((across + 0.3) % 3.2 < 0.14) & ((depth / 1.3) % 1 < 0.6)
        colour[stripe] = (205, 210, 212)
    elif kind == 'court':
        line = (np.abs(across - 0.9) < 0.05) | (np.abs(depth - 3.4) < 0.06)
        colour[line] = (222, 222, 226)
    grain = 0.05 * _smooth_noise(rng, width, height, 90) + 0.05 * _smooth_noise(
        rng, width, height, 9
    )
    if kind == 'grass':
        grain += 0.07 * _smooth_noise(rng, width, height, 160)
    return colour * (1 + grain[..., None])


def _facade(rng, picture, bottom: int, shops: bool) -> None:
    """Buildings with windows, and with shop fronts at street level where asked."""
    width, x = picture.shape[1], 0
    while x < width:
        wide = int(width * rng.uniform(0.18, 0.4))
        wall = np.array([1, 1, 1]) * rng.uniform(95, 190) + rng.normal(0, 22, 3)
        _fill(picture, x, 0, x + wide, bottom, wall)
        cell = max(7, int(width * rng.uniform(0.035, 0.06)))
        glass = wall * rng.uniform(0.35, 0.6)
        for wx in range(x + cell // 2, x + wide - cell, int(1.6 * cell)):
            for wy in range(-cell // 2, int(bottom - 1.3 * cell), int(1.9 * cell)):
                lit = rng.uniform(0.75, 1.3)
                _fill(
                    picture, wx, wy, wx + cell * 0.8, wy + 1.15 * cell, np.clip(glass * lit, 0, 255)
                )
        if shops:
            top = bottom - max(6, int(0.32 * bottom))
            _fill(picture, x + 2, top, x + wide - 2, bottom, wall * 0.4)
            sign = rng.uniform(40, 230, 3)
            _fill(picture, x + 2, top - max(3, bottom // 12), x + wide - 2, top, sign)
            for wx in range(x + 6, x + wide - 6, max(8, wide // 3)):
                _fill(picture, wx, top + 3, wx + wide // 4, bottom - 2, rng.uniform(90, 200, 3))
        x += wide


def _trees(rng, picture, bottom: int, count: int) -> None:
    width = picture.shape[1]
    for _ in range(count):
        x, size = rng.uniform(0, width), rng.uniform(0.35, 0.8) * bottom
        y = bottom - rng.uniform(0.25, 0.9) * bottom
        trunk = max(2.0, 0.08 * size)
        _fill(picture, x - trunk / 2, y, x + trunk / 2, bottom + 2, (50, 70, 92))
        for _ in range(14):
            green = np.array([52, 96, 70]) * rng.uniform(0.55, 1.35)
            spot = rng.normal(0, 0.28, 2) * size
            radius = max(2, int(size * rng.uniform(0.12, 0.26)))
            centre = (int(x + spot[0]), int(y + 0.7 * spot[1]))
            cv2.circle(picture, centre, radius, tuple(map(float, green)), -1, cv2.LINE_AA)


def _backdrop(rng, kind: str, picture: np.ndarray, bottom: int) -> None:
    """Everything above row ``bottom``."""
    height, width = picture.shape[:2]
    fade = np.linspace(0, 1, max(1, bottom), dtype=np.float32)[:, None, None]
    picture[:bottom] = np.array([235, 205, 170]) * (1 - fade) + np.array([232, 228, 222]) * fade
    if kind in ('facade', 'shops'):
        _facade(rng, picture, bottom, shops=kind == 'shops')
    elif kind == 'wall':
        picture[:bottom] = np.array([118, 140, 168])
        step = max(5, height // 34)
        for k, y in enumerate(range(0, bottom, step)):
            picture[y : y + 1] *= 0.8
            for x in range((k % 2) * step, width, 2 * step):
                picture[y : min(y + step, bottom), x : x + 1] *= 0.82
        for x in range(int(width * 0.12), width, int(width * 0.3)):
            _fill(
                picture, x, bottom * 0.25, x + width * 0.13, bottom * 0.8, rng.uniform(50, 220, 3)
            )
    elif kind == 'skyline':
        for _ in range(12):
            x, wide = rng.uniform(-0.05, 1) * width, rng.uniform(0.05, 0.16) * width
            grey = np.array([1.08, 1, 0.95]) * rng.uniform(110, 190)
            _fill(picture, x, bottom * rng.uniform(0, 0.7), x + wide, bottom, grey)
        _fill(picture, 0, bottom - max(2, bottom // 9), width, bottom, (70, 100, 84))
    else:
        _trees(rng, picture, bottom, 14)
    curb = max(2, height // 70)
    picture[bottom : bottom + curb] *= 0.72


def _tint(rng, index: int) -> np.ndarray:
    """A colour cast, its direction spread evenly over the cameras, and some loss of saturation."""
    angle = 2 * np.pi * (index + rng.uniform(-0.2, 0.2)) / NUM_CAMERAS
    gains = np.exp(TINT_STRENGTH * np.cos(angle - 2 * np.pi * np.arange(3) / 3))
    brightness = np.exp(BRIGHTNESS_SPREAD * (-1) ** index + rng.normal(0, 0.06) - 0.1)
    saturation = rng.uniform(LEAST_SATURATION, 1.0)
    grey = np.full((3, 3), 1 / 3)
    return np.diag(gains * brightness) @ (saturation * np.eye(3) + (1 - saturation) * grey)


def make_camera(seed: int, index: int, width: int, height: int) -> Camera:
    """Camera ``index`` (0 to 5) of a data set; the same for the same arguments."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, index)))
    horizon = height * rng.uniform(0.03, 0.2)
    slope = rng.uniform(0.82, 0.98)
    far = horizon + 0.12 * height / slope
    bottom = int(np.clip(far + 0.02 * height, 0.06 * height, 0.4 * height))
    ground, backdrop = _GROUNDS[index % NUM_CAMERAS], _BACKDROPS[index % NUM_CAMERAS]
    background = _ground(rng, ground, width, height, min(horizon, bottom - 2))
    _backdrop(rng, backdrop, background, bottom)
    shade = _smooth_noise(rng, width, height, 3)
    background = background * (1 + 0.1 * shade[..., None])
    relative = height / 288
    return Camera(
        background=np.clip(background, 0, 255).astype(np.float32),
        horizon=horizon,
        slope=slope,
        tint=_tint(rng, index),
        gamma=float(rng.uniform(0.9, 1.15)),
        blur=float(relative * rng.uniform(0.3, 0.7)),
        noise=float(rng.uniform(1.0, 3.5)),
    )
