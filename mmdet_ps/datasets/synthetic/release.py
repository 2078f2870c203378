"""Writes scenes as the official releases lay them out: .mat files, query lists, pictures.

Structures as scipy's ``loadmat`` returns them and public readers index them. Boxes are x, y, w, h.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import savemat

from .plan import ScenePlan

GALLERY_SIZES = (50, 100, 500, 1000, 2000, 4000)
# Scipy would write the time of day here; the same data must be the same bytes.
_MAT_HEADER = b'MATLAB 5.0 MAT-file, synthetic person search data'.ljust(116)
_CLEAR = 0.7
_CLEAR_HEIGHT = 0.2


@dataclass(frozen=True)
class Annotated:
    """One scene with its boxes.

    Attributes:
        plan: the scene.
        name: file name of the picture.
        boxes: (n, 4) int, one a person of the plan's cast.
        visible: (n,) share of each person that can be seen.
        height: of the picture, pixels.
    """

    plan: ScenePlan
    name: str
    boxes: np.ndarray
    visible: np.ndarray
    height: int

    def clear(self, k: int) -> bool:
        """Whether person ``k`` is seen well enough to be searched for."""
        tall = self.boxes[k, 3] >= _CLEAR_HEIGHT * self.height
        return bool(tall and self.visible[k] >= _CLEAR)


def picture_name(layout: str, plan: ScenePlan) -> str:
    """Path of a scene's picture inside the release."""
    if layout == 'cuhk_sysu':
        return f'Image/SSM/s{plan.index + 1}.jpg'
    session = 1 if plan.split == 'train' else 2
    return f'frames/c{plan.camera + 1}s{session}_{(plan.index + 1) * 25:06d}.jpg'


def _save(path: Path, content: dict) -> None:
    stream = io.BytesIO()
    savemat(stream, content, do_compression=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_MAT_HEADER + stream.getvalue()[len(_MAT_HEADER) :])


def _records(rows: Sequence[tuple], names: Sequence[str]) -> np.ndarray:
    """A 1 x n struct array, every field a matrix of its own."""
    records = np.empty((1, len(rows)), dtype=[(name, object) for name in names])
    for k, row in enumerate(rows):
        records[0, k] = row
    return records


def _cells(values: Sequence) -> np.ndarray:
    """An n x 1 cell array."""
    cells = np.empty((len(values), 1), dtype=object)
    for k, value in enumerate(values):
        cells[k, 0] = value
    return cells


def _box(scene: Annotated, k: int) -> np.ndarray:
    return scene.boxes[k].astype(np.uint16)[None]


def _hard(scene: Annotated, k: int) -> np.ndarray:
    return np.array([[0 if scene.clear(k) else 1]], np.uint8)


def _appearances(scenes: Sequence[Annotated]) -> dict[int, list[tuple[Annotated, int]]]:
    """Scene and place in its cast of every appearance, by identity in ascending order."""
    found: dict[int, list[tuple[Annotated, int]]] = {}
    for scene in scenes:
        for k, pid in enumerate(scene.plan.cast):
            if pid >= 0:
                found.setdefault(pid, []).append((scene, k))
    return dict(sorted(found.items()))


def _person(pid: int, seen: list[tuple[Annotated, int]]) -> tuple:
    scene = _records(
        [(s.name, _box(s, k), _hard(s, k)) for s, k in seen], ('imname', 'idlocate', 'ishard')
    )
    return f'p{pid + 1}', np.array([[len(seen)]], np.uint16), scene


def _queries(scenes: Sequence[Annotated]) -> list[tuple[Annotated, int, int]]:
    """Scene, place and identity of every clear box of somebody who is in other scenes too."""
    return [
        (scene, k, pid)
        for pid, seen in _appearances(scenes).items()
        if len(seen) > 1
        for scene, k in seen
        if scene.clear(k)
    ]


def _galleries(rng: np.random.Generator, size: int, scenes: Sequence[Annotated]) -> np.ndarray:
    """One TestG file: for each query the scenes with the person, then random others."""
    nothing = np.empty((1, 0))
    seen = _appearances(scenes)
    rows = []
    for scene, k, pid in _queries(scenes):
        query = _records(
            [(scene.name, _box(scene, k), _hard(scene, k), f'p{pid + 1}')],
            ('imname', 'idlocate', 'ishard', 'idname'),
        )
        positive = [(s.name, _box(s, j), _hard(s, j)) for s, j in seen[pid] if s is not scene]
        positive = positive[:size]
        others = [s for s in scenes if pid not in s.plan.cast]
        order = rng.permutation(len(others))[: size - len(positive)]
        rest = [(others[i].name, nothing, nothing) for i in order]
        gallery = _records(positive + rest, ('imname', 'idlocate', 'ishard'))
        rows.append((query, gallery))
    return _records(rows, ('Query', 'Gallery'))


def gallery_sizes(test_images: int) -> list[int]:
    """Gallery sizes for which a test set has enough pictures beside the query's."""
    return [size for size in GALLERY_SIZES if size < test_images]


def write_cuhk_sysu(root: Path, scenes: Sequence[Annotated], seed: int) -> int:
    """The annotation files of CUHK-SYSU; returns the number of queries."""
    annotation, protocol = root / 'annotation', root / 'annotation' / 'test' / 'train_test'
    images = []
    for scene in scenes:
        count = len(scene.boxes)
        box = _records(
            [(_box(scene, k), _hard(scene, k)) for k in range(count)], ('idlocate', 'ishard')
        )
        images.append((scene.name, np.array([[count]], np.uint8), box))
    _save(annotation / 'Images.mat', {'Img': _records(images, ('imname', 'nAppear', 'box'))})
    person = ('idname', 'nAppear', 'scene')
    everybody = [_person(pid, seen) for pid, seen in _appearances(scenes).items()]
    _save(annotation / 'Person.mat', {'Person': _records(everybody, person)})
    train = [scene for scene in scenes if scene.plan.split == 'train']
    test = [scene for scene in scenes if scene.plan.split == 'test']
    _save(annotation / 'pool.mat', {'pool': _cells([scene.name for scene in test])})
    cells = [_records([_person(pid, seen)], person) for pid, seen in _appearances(train).items()]
    _save(protocol / 'Train.mat', {'Train': _cells(cells)})
    for size in gallery_sizes(len(test)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3, size)))
        name = f'TestG{size}'
        _save(protocol / f'{name}.mat', {name: _galleries(rng, size, test)})
    return len(_queries(test))


def write_prw(root: Path, scenes: Sequence[Annotated], seed: int) -> int:
    """The annotation files of PRW; returns the number of queries. ``seed`` is not needed."""
    for scene in scenes:
        ids = np.array([pid + 1 if pid >= 0 else -2 for pid in scene.plan.cast], float)
        table = np.column_stack([ids, scene.boxes.astype(float)])
        # The release names the array in either way.
        key = 'anno_file' if scene.plan.index % 8 == 7 else 'box_new'
        _save(root / 'annotations' / f'{scene.name}.mat', {key: table})
    for split in ('train', 'test'):
        names = [Path(s.name).stem for s in scenes if s.plan.split == split]
        _save(root / f'frame_{split}.mat', {f'img_index_{split}': _cells(names)})
    queries = _queries([scene for scene in scenes if scene.plan.split == 'test'])
    lines = []
    for scene, k, pid in queries:
        x, y, w, h = scene.boxes[k]
        lines.append(f'{pid + 1} {x} {y} {w} {h} {Path(scene.name).stem}\r\n')
    (root / 'query_info.txt').write_bytes(''.join(lines).encode('ascii'))
    return len(queries)


WRITERS = {'cuhk_sysu': write_cuhk_sysu, 'prw': write_prw}
