"""What a converter reads from an official release, and the checks that each goes through."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..core.evaluation.catalog import checksum
from ..core.evaluation.protocol import SearchProtocol
from ..utils.pictures import box_position, decode_picture, missing_pictures, picture_size

SHOWN = 10
READERS = 8
NO_IDENTITY = -1
# Numbers beyond it are those of a changed file; those within fit int32 wherever they are added up.
_LARGEST = 10**9


@dataclass
class Scene:
    """One picture of a release.

    Attributes:
        name: file name inside the release's folder of pictures.
        boxes: (n, 4) float64, x y width height in pixels, all with an area.
        pids: (n,) int64, negative where the person has no identity.
        cam_id: number of the camera, where the release tells.
    """

    name: str
    boxes: np.ndarray
    pids: np.ndarray
    cam_id: int | None = None


@dataclass
class Release:
    """A release as read, before its pictures are looked at.

    Attributes:
        folder: where the pictures lie.
        splits: scenes of ``'train'`` and ``'test'``.
        num_queries: number of test queries.
        protocols: makes the search protocols, out of what has been read where that suffices.
        published: the official release's count under each name that ``counts`` uses.
        notes: one line each on what was left out or does not fit.
    """

    folder: Path
    splits: dict[str, list[Scene]]
    num_queries: int
    protocols: Callable[[], Iterable[SearchProtocol]]
    published: dict[str, int]
    notes: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """What is here, under the names of ``published``."""
        train = [scene.pids for scene in self.splits['train']]
        pids = np.unique(np.concatenate(train)) if train else np.empty(0)
        return {
            'training pictures': len(self.splits['train']),
            'training identities': int((pids >= 0).sum()),
            'test pictures': len(self.splits['test']),
            'queries': self.num_queries,
        }

    def count_note(self) -> str | None:
        """One line naming every count that is not the official release's; None if none is."""
        differing = [
            f'{what} {count} (official {self.published[what]})'
            for what, count in self.counts().items()
            if count != self.published[what]
        ]
        if not differing:
            return None
        return f'not the official release, its counts differ: {", ".join(differing)}'


def check_numbers(rows: np.ndarray, where: str, pids: bool = False) -> np.ndarray:
    """Rows of x y w h, or of an identity and x y w h, as they are.

    Raises:
        ValueError: naming the first row that holds anything but finite numbers of a sane size, or
            half an identity.
    """
    sound = (np.abs(rows) <= _LARGEST).all(axis=1)
    if pids:
        sound &= rows[:, 0] == np.rint(rows[:, 0])
    if not sound.all():
        row = rows[int(np.argmin(sound))].tolist()
        raise ValueError(f'{where}: holds {row} where finite {"id " * pids}x y w h belong')
    return rows


def remember_sources(protocol: SearchProtocol, root: Path, *paths: Path) -> SearchProtocol:
    """Let a protocol know which official files it was made of."""
    protocol.sources = {path.relative_to(root).as_posix(): checksum(path) for path in paths}
    return protocol


def check_pictures(
    folder: Path, names: Sequence[str], decode: bool = False
) -> dict[str, tuple[int, int]]:
    """(width, height) of every picture, all of which have to be there and whole.

    Args:
        folder: where the pictures lie.
        names: their file names.
        decode: decode each picture whole in place of looking at its header and end.

    Raises:
        FileNotFoundError: naming the first ``SHOWN`` missing pictures.
        PictureError: naming the first broken picture.
    """
    missing = missing_pictures(folder, names)
    if missing:
        raise FileNotFoundError(
            f'{folder}: {len(missing)} of {len(names)} pictures are missing: '
            f'{", ".join(missing[:SHOWN])}{", ..." if len(missing) > SHOWN else ""}; '
            f'unpack the release again'
        )

    def measure(name: str) -> tuple[int, int]:
        path = folder / name
        if not decode:
            return picture_size(path)
        height, width = decode_picture(path.read_bytes(), os.fspath(path)).shape[:2]
        return width, height

    with ThreadPoolExecutor(READERS) as pool:
        sizes = tqdm(pool.map(measure, names), 'pictures', len(names), unit='', leave=False)
        try:
            return dict(zip(names, sizes, strict=True))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def to_coco(scenes: Iterable[Scene], sizes: dict[str, tuple[int, int]], release: Release) -> dict:
    """COCO-style annotations of one split, as ``PersonSearchDataset`` reads them.

    Boxes that stick out of their picture are kept as annotated, since the public evaluators score
    against them so, and counted in ``release.notes``; the training pipeline clips.

    Raises:
        ValueError: naming the picture and the box that lies wholly outside of it.
    """
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    overhanging = 0
    for scene in scenes:
        width, height = sizes[scene.name]
        image = dict(id=len(images), file_name=scene.name, width=width, height=height)
        if scene.cam_id is not None:
            image['cam_id'] = scene.cam_id
        for box, pid in zip(scene.boxes, scene.pids, strict=True):
            bbox = [int(v) if v == int(v) else float(v) for v in box]
            where = box_position(bbox, width, height)
            if where == 'outside':
                raise ValueError(
                    f'{release.folder / scene.name}: box {bbox} (x y width height) lies wholly '
                    f'outside the {width}x{height} picture; unpack the release again'
                )
            overhanging += where == 'partly'
            people.append(
                dict(
                    id=len(people),
                    image_id=image['id'],
                    category_id=1,
                    bbox=bbox,
                    area=bbox[2] * bbox[3],
                    iscrowd=0,
                    person_id=int(pid),
                )
            )
        images.append(image)
    if overhanging:
        release.notes.append(f'{overhanging} boxes stick out of their pictures, kept as annotated')
    categories = [dict(id=1, name='person', supercategory='object')]
    return dict(categories=categories, images=images, annotations=people)
