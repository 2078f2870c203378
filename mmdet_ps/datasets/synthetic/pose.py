"""Skeletons of standing and walking people, turned to any side.

Lengths are body heights; y grows downwards, the head is near -1 and the feet near 0.
"""

from dataclasses import dataclass

import numpy as np

HIP, SHOULDER, NECK, HEAD = -0.48, -0.775, -0.81, -0.905
_THIGH, _SHIN, _UPPER_ARM, _FOREARM = 0.235, 0.215, 0.165, 0.15
_BUILD_WIDTH = {'slim': 0.88, 'medium': 1.0, 'broad': 1.16}


@dataclass(frozen=True)
class Limb:
    """Three joints of an arm or a leg in the picture, (2,) each, and nearness to the viewer."""

    upper: np.ndarray
    middle: np.ndarray
    lower: np.ndarray
    depth: float


@dataclass(frozen=True)
class Pose:
    """A skeleton as seen by the camera.

    Attributes:
        yaw: where the person faces, radians; 0 is the camera, pi / 2 the picture's right side.
        girth: width of the body relative to the medium build.
        legs, arms: left and right.
        tilt: shift of the head to the side, body heights.
    """

    yaw: float
    girth: float
    legs: tuple[Limb, Limb]
    arms: tuple[Limb, Limb]
    tilt: float

    def at(self, lateral: float, forward: float, y: float) -> np.ndarray:
        """Position (2,) of a point given in the person's own axes (lateral: to its left)."""
        return project(self.yaw, lateral, forward, y)[:2]

    def nearness(self, lateral: float, forward: float) -> float:
        """How far a point is in front of the body's axis, towards the camera."""
        return float(project(self.yaw, lateral, forward, 0.0)[2])

    def half_width(self, front: float, side: float) -> float:
        """Half width of a body section that measures ``front`` and ``side`` seen flat."""
        half = np.hypot(front * np.cos(self.yaw), side * np.sin(self.yaw))
        return float(half * self.girth)


def project(yaw: float, lateral: float, forward: float, y: float) -> np.ndarray:
    """Person's axes to picture x, y and nearness (3,); the camera looks down a little."""
    near = forward * np.cos(yaw) - lateral * np.sin(yaw)
    x = lateral * np.cos(yaw) + forward * np.sin(yaw)
    return np.array([x, y + 0.06 * near, near])


def _chain(yaw, lateral, start_y, angles, lengths, splay) -> Limb:
    """A limb whose two segments swing forward by ``angles`` and outward by ``splay``."""
    points, forward, y, side = [], 0.0, start_y, lateral
    points.append(project(yaw, side, forward, y))
    for angle, length in zip(angles, lengths, strict=True):
        forward += length * np.sin(angle)
        y += length * np.cos(angle)
        side += splay * length
        points.append(project(yaw, side, forward, y))
    return Limb(points[0][:2], points[1][:2], points[2][:2], float(points[0][2]))


def draw_pose(rng: np.random.Generator, build: str) -> Pose:
    """A random pose: four in five walk, the rest stand; front and back views are favoured."""
    yaw = float(rng.choice([0, np.pi / 2, np.pi, -np.pi / 2], p=[0.34, 0.18, 0.3, 0.18]))
    yaw += float(rng.normal(0, 0.35))
    girth = _BUILD_WIDTH[build]
    stride = float(rng.uniform(0.2, 0.48) if rng.random() < 0.8 else rng.uniform(0.0, 0.1))
    phase = float(rng.uniform(0, 2 * np.pi))
    legs, arms = [], []
    for side, sign in ((1, 1), (-1, -1)):
        swing = stride * np.sin(phase) * sign
        bend = 0.1 + 0.9 * stride * max(0.0, np.cos(phase) * sign)
        legs.append(
            _chain(
                yaw, side * 0.052 * girth, HIP, (swing, swing - bend), (_THIGH, _SHIN), side * 0.04
            )
        )
        hang, elbow, splay = -0.7 * swing, 0.15 + 0.5 * stride, 0.08
        gesture = rng.random()
        if gesture < 0.08:
            hang, elbow = 0.3, 1.9
        elif gesture < 0.14:
            elbow, splay = 0.9, 0.18
        arms.append(
            _chain(
                yaw,
                side * 0.118 * girth,
                SHOULDER + 0.025,
                (hang, hang + elbow),
                (_UPPER_ARM, _FOREARM),
                side * splay,
            )
        )
    return Pose(yaw, girth, (legs[0], legs[1]), (arms[0], arms[1]), float(rng.normal(0, 0.008)))
