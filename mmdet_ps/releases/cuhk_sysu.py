"""CUHK-SYSU's official release (Xiao et al., CVPR 2017) -> scenes with identities."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..core.evaluation.cuhk_sysu import read_pool, testg_files, testg_folder
from ..utils.mat import box, load_mat, official_structure, text
from .release import Release, Scene, has_area

PUBLISHED = {
    'training pictures': 11206,
    'training identities': 5532,
    'test pictures': 6978,
    'queries': 2900,
}
NO_IDENTITY = -1
Sightings = list[tuple[str, np.ndarray]]


def read_release(root: Path) -> Release:
    """Read ``annotation/*.mat`` and ``annotation/test/train_test/*.mat`` under ``root``.

    A person has the identity whose record names the picture and exactly the same x y w h; the
    training identity is the place in ``Train.mat``, the test identity the place of the person's
    first query in ``TestG{N}.mat`` (any N: each lists every picture of the person; in the official
    files each person is one query). Everybody else has none.

    Raises:
        FileNotFoundError, ValueError: where a file is missing, truncated or of another structure.
    """
    annotation = root / 'annotation'
    notes: list[str] = []
    boxes = _all_boxes(annotation / 'Images.mat', notes)
    test = read_pool(root)
    unknown = [name for name in test if name not in boxes]
    if unknown:
        raise ValueError(
            f'{annotation / "pool.mat"}: {len(unknown)} pictures are not in Images.mat, the first '
            f'is {unknown[0]}; unpack the release again'
        )
    train = sorted(set(boxes) - set(test))
    known = list(_train_identities(testg_folder(root) / 'Train.mat'))
    queries = list(_test_identities(root))
    splits = {
        'train': _assign(train, boxes, known, 'train', notes),
        'test': _assign(test, boxes, queries, 'test', notes),
    }
    return Release(root / 'Image' / 'SSM', splits, len(queries), PUBLISHED, notes)


def _all_boxes(path: Path, notes: list[str]) -> dict[str, np.ndarray]:
    boxes, dropped = {}, 0
    images = load_mat(path, 'Img').ravel()
    with official_structure(path):
        for image in images:
            found = [box(person['idlocate']) for person in image['box'].ravel()]
            everybody = np.array(found, dtype=np.float64).reshape(-1, 4)
            kept = has_area(everybody)
            boxes[text(image['imname'])] = everybody[kept]
            dropped += int((~kept).sum())
    if dropped:
        notes.append(f'{dropped} boxes without area are left out')
    return boxes


def _train_identities(path: Path) -> Iterable[tuple[int, Sightings]]:
    identities = load_mat(path, 'Train').ravel()
    with official_structure(path):
        for pid, identity in enumerate(identities):
            scenes = identity[0, 0]['scene'].ravel()
            yield pid, [(text(scene['imname']), box(scene['idlocate'])) for scene in scenes]


def _test_identities(root: Path) -> Iterable[tuple[int, Sightings]]:
    files = testg_files(root)
    if not files:
        raise FileNotFoundError(
            f'{testg_folder(root)}: no TestG50.mat, TestG100.mat, ...; unpack the official release '
            f'whole'
        )
    first: dict[str, int] = {}
    path = files[min(files)]
    items = load_mat(path, path.stem).ravel()
    with official_structure(path):
        for place, item in enumerate(items):
            query = item['Query'][0, 0]
            people = [query, *item['Gallery'].ravel()]
            seen = [(text(person['imname']), box(person['idlocate'])) for person in people]
            pid = first.setdefault(text(query['idname']), place)
            yield pid, [(name, where) for name, where in seen if where.size]


def _assign(
    names: list[str],
    boxes: dict[str, np.ndarray],
    identities: Iterable[tuple[int, Sightings]],
    split: str,
    notes: list[str],
) -> list[Scene]:
    scenes = {
        name: Scene(name, boxes[name], np.full(len(boxes[name]), NO_IDENTITY, dtype=np.int64))
        for name in names
    }
    unplaced, shared = [], []
    for pid, sightings in identities:
        for name, place in sightings:
            scene = scenes.get(name)
            same = None if scene is None else (scene.boxes == place).all(axis=1)
            if scene is None or same is None or not same.any():
                unplaced.append(f'identity {pid} in {name}')
                continue
            first = int(same.argmax())
            if scene.pids[first] not in (NO_IDENTITY, pid):
                shared.append(f'{scene.pids[first]} and {pid} in {name}')
            scene.pids[first] = pid
    if unplaced:
        notes.append(
            f'{split}: {len(unplaced)} boxes of identities are not in Images.mat, the first is '
            f'{unplaced[0]}'
        )
    if shared:
        notes.append(
            f'{split}: {len(shared)} boxes belong to two identities, the later one is taken, the '
            f'first is {shared[0]}'
        )
    return list(scenes.values())
