"""CUHK-SYSU's official release (Xiao et al., CVPR 2017) -> scenes with identities, and protocols.

Test files: ``annotation/test/train_test/TestG{50,100,500,1000,2000,4000}.mat``, whose galleries are
listed query by query, and ``annotation/pool.mat``, the names of all test pictures.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..core.evaluation.protocol import People, SearchProtocol
from ..utils.mat import StructArray, read_matrix, read_texts, reading, stream_records
from ..utils.pictures import has_area
from .release import NO_IDENTITY, Release, Scene, check_numbers, remember_sources

PUBLISHED = {
    'training pictures': 11206,
    'training identities': 5532,
    'test pictures': 6978,
    'queries': 2900,
}
Sightings = list[tuple[str, np.ndarray]]


def read_release(root: Path) -> Release:
    """Read ``annotation/*.mat`` and ``annotation/test/train_test/*.mat`` under ``root``.

    A person has the identity whose record names the picture and exactly the same x y w h; the
    training identity is the place in ``Train.mat``, the test identity that of the smallest TestG
    file (any would do: each lists every picture of the person). Everybody else has none.

    Raises:
        FileNotFoundError, ValueError: where a file is missing, truncated or of another structure.
    """
    annotation, folder = root / 'annotation', root / 'annotation' / 'test' / 'train_test'
    notes: list[str] = []
    boxes = _all_boxes(annotation / 'Images.mat', notes)
    test = read_texts(annotation / 'pool.mat', 'pool')
    unknown = [name for name in test if name not in boxes]
    if unknown:
        raise ValueError(
            f'{annotation / "pool.mat"}: {len(unknown)} pictures are not in Images.mat, the first '
            f'is {unknown[0]}; unpack the release again'
        )
    train = sorted(set(boxes) - set(test))
    known = list(_train_identities(folder / 'Train.mat'))
    files = {path: int(path.stem[5:]) for path in folder.glob('TestG*.mat') if _size_of(path)}
    if not files:
        raise FileNotFoundError(
            f'{folder}: no TestG50.mat, TestG100.mat, ...; unpack the official release whole'
        )
    smallest, *others = sorted(files, key=lambda path: files[path])
    listed = cuhk_sysu_protocol(smallest)
    splits = {
        'train': _assign(train, boxes, known, 'train', notes),
        'test': _assign(test, boxes, _test_identities(listed), 'test', notes),
    }

    def protocols() -> Iterator[SearchProtocol]:
        yield remember_sources(listed, root, smallest)
        for path in tqdm(others, 'protocols', unit='', leave=False):
            yield remember_sources(cuhk_sysu_protocol(path), root, path)
        everything = _all_images(listed, test, smallest)
        yield remember_sources(everything, root, smallest, annotation / 'pool.mat')

    pictures = root / 'Image' / 'SSM'
    return Release(pictures, splits, listed.num_queries, protocols, PUBLISHED, notes)


def _size_of(path: Path) -> str | None:
    """The digits of a TestG file's name."""
    match = re.fullmatch(r'TestG(\d+)\.mat', path.name)
    return match and match.group(1)


def cuhk_sysu_protocol(path: str | os.PathLike) -> SearchProtocol:
    """Read an official ``TestG{50,100,500,1000,2000,4000}.mat``.

    The identity of a query is its place in the list; in other data of this layout, which may ask
    for a person more than once, the place of the first query with the same ``idname``.

    The file is read in one pass; of the 11.6 million gallery entries of TestG4000 only integers
    stay in memory.

    Raises:
        FileNotFoundError: without such a file.
        ValueError: where the file is no such protocol, or that of another size than its name says.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}: no such file; TestG files lie in annotation/test/train_test of the '
            'CUHK-SYSU release'
        )
    index: dict[bytes, int] = {}
    people: dict[bytes, int] = {}
    queries, pids, galleries, places, boxes = [], [], [], [], []
    name = ''
    for name, record in stream_records(path, 'TestG'):
        with reading(path, f'query {len(queries)} of {name}: '):
            query, gallery = record['Query'].fields(), record['Gallery'].fields()
            image = index.setdefault(query.texts('imname')[0], len(index))
            queries.append((image, _whole(_box(query, 0))))
            pids.append(people.setdefault(query.texts('idname')[0], len(pids)))
            images = [index.setdefault(image, len(index)) for image in gallery.texts('imname')]
            galleries.append(np.array(images, np.int32))
            places.append(gallery.filled('idlocate'))
            boxes.extend(_whole(_box(gallery, int(place))) for place in places[-1])
    if not queries:
        raise ValueError(f'{path}: {name or "the protocol"} has no query')
    if _size_of(path) and name != path.stem:
        raise ValueError(f'{path}: holds {name}, not {path.stem}; unpack the release again')
    with reading(path):
        return SearchProtocol(
            name.removeprefix('Test'),
            [image.decode() for image in index],
            np.array([image for image, _ in queries]),
            np.array([located for _, located in queries]),
            np.array(pids),
            np.cumsum([0, *map(len, places)]),
            np.concatenate(places),
            np.array(boxes),
            np.cumsum([0, *map(len, galleries)]),
            np.concatenate(galleries),
        )


def _box(people: StructArray, place: int) -> np.ndarray:
    """(4,) float64 x y w h."""
    xywh = np.asarray(people.matrix('idlocate', place).value(), np.float64).reshape(1, -1)
    if xywh.size != 4:
        raise ValueError(f'idlocate has {xywh.size} values instead of x y w h')
    return check_numbers(xywh, 'idlocate')[0]


def _whole(xywh: np.ndarray) -> np.ndarray:
    """(4,) int32 x1 y1 x2 y2, as public evaluators have it: negative x, y stay."""
    x, y, w, h = xywh.astype(np.int32)
    return np.array([x, y, x + w, y + h])


def _all_images(listed: SearchProtocol, names: list[str], testg: Path) -> SearchProtocol:
    """Every test picture but the query's, with the ground truths of all queries by identity."""
    index = {name: i for i, name in enumerate(names)}
    strange = [name for name in listed.image_names if name not in index]
    if strange:
        raise ValueError(f'{testg}: names {strange[0]}, which is not in annotation/pool.mat')
    places = np.array([index[name] for name in listed.image_names])
    counts = np.diff(listed.gt_indptr)
    found = [listed.ground_truth(query)[0] for query in range(listed.num_queries)]
    people = People(
        places[np.concatenate(found)], np.repeat(listed.query_pids, counts), listed.gt_boxes
    )
    queries = zip(places[listed.query_images], listed.query_pids, listed.query_boxes, strict=True)
    return SearchProtocol.from_people(names, queries, people)


def _test_identities(listed: SearchProtocol) -> Iterator[tuple[int, Sightings]]:
    """Each query and its ground truths."""
    for query, pid in enumerate(listed.query_pids.tolist()):
        images, boxes = listed.ground_truth(query)
        boxes = np.concatenate([listed.query_boxes[query : query + 1], boxes])
        boxes[:, 2:] -= boxes[:, :2]
        images = [listed.query_images[query], *images]
        names = [listed.image_names[image] for image in images]
        yield pid, list(zip(names, boxes, strict=True))


def _all_boxes(path: Path, notes: list[str]) -> dict[str, np.ndarray]:
    boxes, dropped = {}, 0
    matrix = read_matrix(path, 'Img')
    with reading(path):
        images = matrix.fields()
        for place, name in enumerate(images.texts('imname')):
            people = images.matrix('box', place).fields()
            found = [_box(people, person) for person in range(len(people))]
            everybody = np.array(found, dtype=np.float64).reshape(-1, 4)
            kept = has_area(everybody)
            boxes[name.decode()] = everybody[kept]
            dropped += int((~kept).sum())
    if dropped:
        notes.append(f'{dropped} boxes without area are left out')
    return boxes


def _train_identities(path: Path) -> Iterator[tuple[int, Sightings]]:
    matrix = read_matrix(path, 'Train')
    with reading(path):
        for pid, identity in enumerate(matrix.cells()):
            scenes = identity.fields().matrix('scene', 0).fields()
            names = [name.decode() for name in scenes.texts('imname')]
            yield pid, [(name, _box(scenes, place)) for place, name in enumerate(names)]


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
