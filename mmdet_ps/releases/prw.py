"""PRW's official release (Zheng et al., CVPR 2017) -> scenes with identities, and protocols."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..core.evaluation.protocol import (
    CAMERA_RULES,
    People,
    SearchProtocol,
    camera_of,
    check_cameras,
    to_xyxy,
)
from ..utils.mat import read_matrix, read_texts, reading
from ..utils.pictures import has_area
from .release import Release, Scene, check_numbers, remember_sources

PUBLISHED = {
    'training pictures': 5704,
    'training identities': 483,
    'test pictures': 6112,
    'queries': 2057,
}
_BOX_KEYS = ('box_new', 'anno_file', 'anno_previous')
Query = tuple[str, int, np.ndarray]


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
    queries = _read_queries(root)

    def protocols() -> Iterator[SearchProtocol]:
        for cameras in CAMERA_RULES:
            yield _protocol(root, splits['test'], queries, cameras)

    return Release(root / 'frames', splits, len(queries), protocols, PUBLISHED, notes)


def prw_protocol(root: str | os.PathLike, cameras: str = 'all') -> SearchProtocol:
    """Read the test protocol from an unpacked release (its frames are not needed).

    The gallery is every test frame but the query's own; see ``SearchProtocol.from_people``.

    Args:
        root: folder that holds ``frame_test.mat``, ``query_info.txt`` and ``annotations/``.
        cameras: gallery of ``all`` cameras, of all but the query's (``cross``), or of the
            query's (``same``).

    Raises:
        FileNotFoundError: where a file of the release is missing.
        ValueError: for an unknown ``cameras`` or a file that cannot be understood.
    """
    check_cameras(cameras)
    root = Path(root)
    return _protocol(root, _read_split(root, 'test', []), _read_queries(root), cameras)


def _protocol(
    root: Path, scenes: Sequence[Scene], queries: Sequence[Query], cameras: str
) -> SearchProtocol:
    names = [scene.name for scene in scenes]
    images = np.repeat(np.arange(len(scenes)), [len(scene.pids) for scene in scenes])
    pids = np.concatenate([np.zeros(0, np.int64), *(scene.pids for scene in scenes)])
    boxes = to_xyxy(np.concatenate([np.zeros((0, 4)), *(scene.boxes for scene in scenes)]))
    known = pids >= 0
    index = {name: i for i, name in enumerate(names)}
    strange = [name for name, _, _ in queries if name not in index]
    if strange:
        raise ValueError(
            f'{root / "query_info.txt"}: asks for {strange[0]}, which is not in frame_test.mat; '
            'unpack the release again'
        )
    protocol = SearchProtocol.from_people(
        names,
        [(index[name], pid, to_xyxy(box)) for name, pid, box in queries],
        People(images[known], pids[known], boxes[known]),
        cameras,
        [scene.cam_id for scene in scenes],
    )
    return remember_sources(protocol, root, root / 'query_info.txt', root / 'frame_test.mat')


def _read_split(root: Path, split: str, notes: list[str]) -> list[Scene]:
    """Scenes in the release's order, whose boxes have no negative x or y."""
    frames = read_texts(root / f'frame_{split}.mat', f'img_index_{split}')
    scenes, dropped, clipped = [], 0, 0
    for frame in tqdm(frames, f'{split} annotations', unit='', leave=False):
        name = f'{frame}.jpg'
        rows = _read_annotation(root / 'annotations' / f'{name}.mat')
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


def _read_annotation(path: Path) -> np.ndarray:
    """(n, 5) float64 rows of pid, x, y, w, h of one frame; pid -2 has no identity."""
    matrix = read_matrix(path, *_BOX_KEYS)
    with reading(path):
        rows = np.array(matrix.value(), np.float64)
        if rows.size and (rows.ndim != 2 or rows.shape[1] != 5):
            raise ValueError(f'an array of shape {rows.shape}, expected rows of id x y w h')
        return check_numbers(rows.reshape(-1, 5), 'box', pids=True)


def _read_queries(root: Path) -> list[Query]:
    """Frame name (with ``.jpg``), pid and x y w h of each line of ``query_info.txt``."""
    path = root / 'query_info.txt'
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file; is its folder an unpacked PRW release?')
    queries = []
    for number, line in enumerate(path.read_text(errors='replace').splitlines(), 1):
        if not line.strip():
            continue
        where = f'{path}, line {number}'
        try:
            *numbers, frame = line.split()
            row = np.array([numbers], np.float64).reshape(1, 5)
        except ValueError:
            raise ValueError(f'{where}: expected pid x y w h frame') from None
        row = check_numbers(row, where, pids=True)[0]
        if row[0] < 0 or not has_area(row[1:]):
            raise ValueError(f'{where}: {line.strip()!r} is no box of an identity')
        queries.append((f'{frame}.jpg', int(row[0]), row[1:]))
    if not queries:
        raise ValueError(f'{path}: holds no query; unpack the release again')
    return queries
