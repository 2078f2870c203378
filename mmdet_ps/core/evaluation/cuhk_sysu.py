"""CUHK-SYSU's protocols: the official TestG files, and the gallery of all test images."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from .boxes import offsets
from .matfile import Matrix, stream_records
from .protocol import People, SearchProtocol

GALLERY_SIZES = (50, 100, 500, 1000, 2000, 4000)
_VARIABLE = r'TestG\d+'


class CuhkSysuProtocol(SearchProtocol):
    """Person search on CUHK-SYSU (Xiao et al., "Joint Detection and Identification", CVPR 2017).

    The identity of a query is its place in the list.
    """

    @classmethod
    def from_mat(cls, path: str | os.PathLike) -> CuhkSysuProtocol:
        """Read an official ``TestG{50,100,500,1000,2000,4000}.mat``.

        The file is read in one pass; of the 11.6 million gallery entries of TestG4000 only integers
        stay in memory.

        Raises:
            FileNotFoundError: without such a file.
            ValueError: where the file is no such protocol.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(
                f'{path} is missing: TestG files lie in annotation/test/train_test of the '
                'CUHK-SYSU release'
            )
        index: dict[bytes, int] = {}
        queries, galleries, places, boxes = [], [], [], []
        name = ''
        for variable, record in stream_records(path, _VARIABLE):
            name = variable
            try:
                queries.append(_query(record['Query'], index))
                images, filled, located = _gallery(record['Gallery'], index)
            except (KeyError, ValueError, IndexError) as error:
                raise ValueError(f'{path}: query {len(queries)} of {name}: {error}') from None
            galleries.append(images)
            places.append(filled)
            boxes.append(located)
        if not queries:
            raise ValueError(f'{path}: {name or "the protocol"} has no query')
        return cls(
            name.replace('Test', ''),
            [image.decode() for image in index],
            np.array([image for image, _ in queries]),
            np.stack([box for _, box in queries]),
            np.arange(len(queries)),
            offsets(np.array([len(part) for part in places])),
            np.concatenate(places),
            np.concatenate(boxes),
            offsets(np.array([len(part) for part in galleries])),
            np.concatenate(galleries),
        )

    @classmethod
    def from_release(cls, root: str | os.PathLike, gallery_size: int | str) -> CuhkSysuProtocol:
        """Read the protocol of one gallery size from an unpacked release.

        ``all`` is every test image (``annotation/pool.mat``) but the query's own; its ground truth
        is that of the smallest TestG file there, by identity.

        Args:
            root: folder that holds ``annotation/``.
            gallery_size: 50, 100, 500, 1000, 2000, 4000 (also as ``'G100'``) or ``'all'``.

        Raises:
            ValueError: for a size that no TestG file of the release has.
            FileNotFoundError: without ``pool.mat`` or any TestG file.
        """
        files = testg_files(root)
        if not files:
            raise FileNotFoundError(
                f'{testg_folder(root)} has no TestG*.mat: is {root} an unpacked CUHK-SYSU release?'
            )
        if str(gallery_size) == 'all':
            return cls._all_images(root, files[min(files)])
        size = int(match.group(1)) if (match := re.fullmatch(r'G?(\d+)', str(gallery_size))) else -1
        if size not in files:
            raise ValueError(
                f'gallery size {gallery_size} is unknown; {testg_folder(root)} has '
                f'{", ".join(map(str, sorted(files)))}, and all'
            )
        return cls.from_mat(files[size])

    @classmethod
    def _all_images(cls, root: str | os.PathLike, testg: Path) -> CuhkSysuProtocol:
        listed = cls.from_mat(testg)
        names = read_pool(root)
        index = {name: i for i, name in enumerate(names)}
        strange = [name for name in listed.image_names if name not in index]
        if strange:
            raise ValueError(f'{testg} names {strange[0]}, which is not in annotation/pool.mat')
        places = np.array([index[name] for name in listed.image_names])
        images, boxes, pids = [], [], []
        for query in range(listed.num_queries):
            found, located = listed.ground_truth(query)
            images.append(places[found])
            boxes.append(located)
            pids.append(np.full(len(found), query))
        people = People(np.concatenate(images), np.concatenate(pids), np.concatenate(boxes))
        queries = [
            (int(places[image]), query, listed.query_boxes[query])
            for query, image in enumerate(listed.query_images)
        ]
        protocol = cls.from_people(names, queries, people)
        assert isinstance(protocol, CuhkSysuProtocol)
        return protocol


def testg_folder(root: str | os.PathLike) -> Path:
    """Folder of the TestG files in a release."""
    return Path(root) / 'annotation' / 'test' / 'train_test'


def testg_files(root: str | os.PathLike) -> dict[int, Path]:
    """TestG files of a release by gallery size."""
    found = {}
    for path in testg_folder(root).glob('TestG*.mat'):
        if match := re.fullmatch(r'TestG(\d+)', path.stem):
            found[int(match.group(1))] = path
    return found


def read_pool(root: str | os.PathLike) -> list[str]:
    """Names of the test images, in the order of ``annotation/pool.mat``.

    Raises:
        FileNotFoundError: without that file.
        ValueError: where it is truncated or holds no such list.
    """
    from ...utils.mat import load_mat, text

    cells = load_mat(Path(root) / 'annotation' / 'pool.mat', 'pool')
    return [text(cell) for cell in cells.ravel()]


def _box(xywh: np.ndarray) -> np.ndarray:
    box = np.asarray(xywh).reshape(-1)
    if len(box) != 4:
        raise ValueError(f'idlocate has {len(box)} values instead of x y w h')
    box = box.astype(np.int32)
    return np.concatenate([box[:2], box[:2] + box[2:]])


def _query(record: Matrix, index: dict[bytes, int]) -> tuple[int, np.ndarray]:
    query = record.fields()
    image = index.setdefault(query.texts('imname')[0], len(index))
    return image, _box(query.matrix('idlocate', 0).value())


def _gallery(record: Matrix, index: dict[bytes, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    gallery = record.fields()
    names = gallery.texts('imname')
    images = np.fromiter((index.setdefault(name, len(index)) for name in names), np.int32)
    filled = gallery.filled('idlocate')
    boxes = [_box(gallery.matrix('idlocate', int(i)).value()) for i in filled]
    return images, filled.astype(np.int32), np.array(boxes, np.int32).reshape(-1, 4)
