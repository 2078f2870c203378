"""A finder that needs no network, and sources whose people are known.

A picture is one grey level; who is in it follows from the level alone, so that what a gallery holds
can be computed beside it.
"""

import time
from pathlib import Path

import cv2
import numpy as np

from mmdet_ps.gallery import People

DIM = 16
# Levels this far apart survive lossy coding.
STEP = 16
SIZE = (96, 64)


def picture(level):
    return np.full((SIZE[1], SIZE[0], 3), level * STEP, np.uint8)


def people_of(level, dim=DIM):
    """Boxes, scores and embeddings of a level: level % 4 people."""
    count = level % 4
    rng = np.random.default_rng(level)
    feats = rng.normal(size=(count, dim))
    feats /= np.linalg.norm(feats, axis=1, keepdims=True)
    corners = rng.uniform(0, 30, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 30, (count, 2))], axis=1)
    scores = np.sort(rng.uniform(0.3, 1, count))[::-1]
    return People(boxes.astype(np.float32), scores.astype(np.float32), feats.astype(np.float32))


class StubFinder:
    def __init__(self, model='stub', dim=DIM, batch=2, delay=0.0):
        self.model, self.dim, self.batch, self.delay = model, dim, batch, delay
        self.seen = []

    def prepare(self, given):
        return int(round(float(given.mean()) / STEP))

    def find_prepared(self, levels):
        time.sleep(self.delay * len(levels))
        self.seen += levels
        return [people_of(level, self.dim) for level in levels]


def write_picture(path, level):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture(level))
    return path


def write_video(path, levels, rate=25, coding='MJPG'):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*coding), rate, SIZE)
    assert writer.isOpened()
    for level in levels:
        writer.write(picture(level))
    writer.release()
    return path


def rows(gallery):
    """All people of a gallery, by id, with the embedding."""
    table = gallery.index.people.to_arrow().to_pylist()
    found = {row['id']: row for row in table}
    assert len(found) == len(table), 'somebody is there twice'
    return found


def levels_there(gallery):
    """Which levels' people are in a gallery: a number of people by source and frame."""
    counts = {}
    for row in rows(gallery).values():
        key = (Path(row['source']).name, row['frame'])
        counts[key] = counts.get(key, 0) + 1
    return counts


def expected(name, levels, frames=None):
    """What `levels_there` gives for a source whose frames have these levels."""
    frames = range(len(levels)) if frames is None else frames
    return {
        (name, frame): level % 4 for frame, level in zip(frames, levels, strict=True) if level % 4
    }
