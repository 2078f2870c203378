"""PRW's official release (Zheng et al., CVPR 2017) -> scenes with identities."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..core.evaluation.protocol import camera_of
from ..core.evaluation.prw import read_annotation, read_frames, read_queries
from .release import Release, Scene, has_area

PUBLISHED = {
    'training pictures': 5704,
    'training identities': 483,
    'test pictures': 6112,
    'queries': 2057,
}


def read_release(root: Path) -> Release:
    """Read ``frame_{train,test}.mat``, ``annotations/*.jpg.mat`` and ``query_info.txt``.

    Training identities are renumbered from 0 in the order of their official numbers; test
    identities keep theirs, which the queries refer to; -2 (no identity) stays. Negative x and y
    become 0 with the width and height kept, as the public evaluators do.

    Raises:
        FileNotFoundError, ValueError: where a file is missing, truncated or of another structure.
    """
    notes: list[str] = []
    splits = {split: _read_split(root, split, notes) for split in ('train', 'test')}
    everybody = [scene.pids for scene in splits['train']]
    known = np.unique(np.concatenate(everybody)) if everybody else np.empty(0, dtype=np.int64)
    known = known[known >= 0]
    for scene in splits['train']:
        labelled = scene.pids >= 0
        scene.pids[labelled] = np.searchsorted(known, scene.pids[labelled])
    return Release(root / 'frames', splits, len(read_queries(root)), PUBLISHED, notes)


def _read_split(root: Path, split: str, notes: list[str]) -> list[Scene]:
    frames = read_frames(root, split)
    scenes, dropped, clipped = [], 0, 0
    for name in tqdm(frames, f'{split} annotations', unit='', leave=False):
        rows = read_annotation(root, name)
        clipped += int((rows[:, 1:3] < 0).any(axis=1).sum())
        rows[:, 1:3] = rows[:, 1:3].clip(min=0)
        kept = has_area(rows[:, 1:])
        dropped += int((~kept).sum())
        pids = rows[kept, 0].astype(np.int64)
        scenes.append(Scene(name, rows[kept, 1:], pids, camera_of(name)))
    if dropped:
        notes.append(f'{split}: {dropped} boxes without area are left out')
    if clipped:
        notes.append(f'{split}: {clipped} boxes begin left of or above their picture, moved to 0')
    return scenes
