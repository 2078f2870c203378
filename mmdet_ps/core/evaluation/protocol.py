"""Search protocols: which people are looked for, where, and what the right answers are.

Shorthand in this module: Q queries, I images that the protocol names, E gallery entries over all
queries, G ground truths over all queries. Boxes are int32 x1 y1 x2 y2 in pixels of the original
image.

A gallery is either listed (CUHK-SYSU's TestG files: each query has its own list, in which an image
may occur twice) or open: every image of the protocol but the query's own, in all cameras, only
other cameras or only the same one. An open gallery is a rule and takes no memory.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...utils.io import atomic_write
from .boxes import offsets

CAMERA_RULES = ('all', 'cross', 'same')
_FORMAT = 1
_ARRAYS = ('query_images', 'query_boxes', 'query_pids', 'gt_indptr', 'gt_places', 'gt_boxes')


@dataclass
class People:
    """Annotated people with an identity, in the order of the annotation (n of them).

    Attributes:
        images: (n,) int64 index of the image.
        pids: (n,) int64.
        boxes: (n, 4) int32.
    """

    images: np.ndarray
    pids: np.ndarray
    boxes: np.ndarray


def to_xyxy(xywh: Sequence[float]) -> np.ndarray:
    """Turn x y w h into int32 x1 y1 x2 y2: negative x, y become 0, x + w is summed in float."""
    x, y, w, h = (float(value) for value in xywh)
    x, y = max(x, 0.0), max(y, 0.0)
    return np.array([x, y, x + w, y + h]).astype(np.int32)


def camera_of(image_name: str) -> int | None:
    """Camera number of a PRW frame name (``c3s1_000123.jpg`` gives 3); None for other names."""
    match = re.match(r'c(\d+)s\d+_', image_name)
    return int(match.group(1)) if match else None


class SearchProtocol:
    """Queries, galleries and ground truths of a person search test, in compact arrays.

    Args:
        name: short name for tables, such as ``G100`` or ``cross``.
        image_names: the I images that the protocol names, each once.
        query_images: (Q,) index of each query's image.
        query_boxes: (Q, 4).
        query_pids: (Q,) identity of each query.
        gt_indptr: (Q + 1,) row pointer into the next two.
        gt_places: (G,) place of the image in the query's gallery list; in an open gallery its index
            in ``image_names``.
        gt_boxes: (G, 4).
        gallery_indptr: (Q + 1,) row pointer into ``gallery_images``; None makes the gallery open.
        gallery_images: (E,) image indices.
        cameras: rule of an open gallery, one of ``all``, ``cross``, ``same``.
        image_cams: (I,) camera of each image; needed by ``cross`` and ``same``.

    Raises:
        ValueError: where the arrays contradict each other or a box has no area.
    """

    def __init__(
        self,
        name: str,
        image_names: Sequence[str],
        query_images: np.ndarray,
        query_boxes: np.ndarray,
        query_pids: np.ndarray,
        gt_indptr: np.ndarray,
        gt_places: np.ndarray,
        gt_boxes: np.ndarray,
        gallery_indptr: np.ndarray | None = None,
        gallery_images: np.ndarray | None = None,
        cameras: str = 'all',
        image_cams: np.ndarray | None = None,
    ) -> None:
        self.name = str(name)
        self.image_names = list(image_names)
        self.query_images = np.asarray(query_images, np.int32).reshape(-1)
        self.query_boxes = np.asarray(query_boxes, np.int32).reshape(-1, 4)
        self.query_pids = np.asarray(query_pids, np.int64).reshape(-1)
        self.gt_indptr = np.asarray(gt_indptr, np.int64)
        self.gt_places = np.asarray(gt_places, np.int32).reshape(-1)
        self.gt_boxes = np.asarray(gt_boxes, np.int32).reshape(-1, 4)
        self.gallery_indptr = (
            None if gallery_indptr is None else np.asarray(gallery_indptr, np.int64)
        )
        self.gallery_images = (
            None if gallery_images is None else np.asarray(gallery_images, np.int32)
        )
        self.cameras = check_cameras(cameras)
        self.image_cams = None if image_cams is None else np.asarray(image_cams, np.int32)
        self._check()

    def _check(self) -> None:
        """Raise ValueError where the arrays contradict each other or a box has no area."""
        images, truths = len(self.image_names), len(self.gt_places)
        self._demand(self.num_queries > 0, 'there is no query')
        self._demand(len(set(self.image_names)) == images, 'an image name occurs twice')
        lengths = {len(self.query_boxes), len(self.query_pids), len(self.gt_indptr) - 1}
        self._demand(lengths == {self.num_queries}, 'query arrays differ in length')
        fits = self.gt_indptr[-1] == truths == len(self.gt_boxes)
        self._demand(fits, 'ground truth arrays differ in length')
        self._demand(_within(self.query_images, images), 'a query image is out of range')
        if self.gallery_images is None or self.gallery_indptr is None:
            known = self.cameras == 'all' or self.image_cams is not None
            self._demand(known, f"cameras='{self.cameras}' needs image_cams")
            limits = np.full(truths, images)
        else:
            counts = np.diff(self.gallery_indptr)
            fits = len(counts) == self.num_queries and counts.sum() == len(self.gallery_images)
            self._demand(fits, 'gallery_indptr does not fit gallery_images')
            self._demand(_within(self.gallery_images, images), 'a gallery image is out of range')
            limits = counts[self._gt_queries()]
        self._demand(_within(self.gt_places, limits), 'a ground truth is out of range')
        key = self._gt_queries() * max(images, limits.max(initial=0)) + self.gt_places
        self._demand(len(np.unique(key)) == truths, 'a gallery image has two ground truths')
        if self.is_open:
            own = self.query_images[self._gt_queries()] == self.gt_places
            self._demand(not own.any(), "a ground truth is in its query's own image")
        self._check_boxes(self.query_boxes, 'query', np.arange(self.num_queries))
        self._check_boxes(self.gt_boxes, 'ground truth of query', self._gt_queries())

    def _demand(self, sound: bool, otherwise: str) -> None:
        if not sound:
            raise ValueError(f'protocol {self.name}: {otherwise}')

    def _check_boxes(self, boxes: np.ndarray, what: str, queries: np.ndarray) -> None:
        flat = np.flatnonzero((boxes[:, 2:] <= boxes[:, :2]).any(axis=1))
        if len(flat):
            query = int(queries[flat[0]])
            raise ValueError(
                f'protocol {self.name}: {what} {query} '
                f'({self.image_names[self.query_images[query]]}) has a box without area: '
                f'{boxes[flat[0]].tolist()} (x1 y1 x2 y2)'
            )

    def _gt_queries(self) -> np.ndarray:
        return np.repeat(np.arange(self.num_queries), np.diff(self.gt_indptr))

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.name!r}, {self.num_queries} queries)'

    @property
    def is_open(self) -> bool:
        """Whether the gallery is a rule over all images instead of a list a query."""
        return self.gallery_images is None

    @property
    def num_queries(self) -> int:
        """Number of queries Q."""
        return len(self.query_images)

    @property
    def query_names(self) -> list[str]:
        """Image name of each query, (Q,)."""
        return [self.image_names[i] for i in self.query_images]

    @property
    def gallery_names(self) -> list[str]:
        """Names of the images that occur in any gallery, each once."""
        if self.gallery_images is None:
            return list(self.image_names)
        return [self.image_names[i] for i in np.unique(self.gallery_images)]

    def hidden(self, query: int) -> np.ndarray:
        """(I,) bool: images that are not in the open gallery of the query."""
        own = self.query_images[query]
        if self.cameras == 'all' or self.image_cams is None:
            mask = np.zeros(len(self.image_names), bool)
        elif self.cameras == 'cross':
            mask = self.image_cams == self.image_cams[own]
        else:
            mask = self.image_cams != self.image_cams[own]
        mask[own] = True
        return mask

    def gallery(self, query: int) -> np.ndarray:
        """Image indices of the query's gallery, in order, repeats included."""
        if self.gallery_images is None or self.gallery_indptr is None:
            return np.flatnonzero(~self.hidden(query))
        return self.gallery_images[self.gallery_indptr[query] : self.gallery_indptr[query + 1]]

    def ground_truth(self, query: int) -> tuple[np.ndarray, np.ndarray]:
        """Ground truths of the query: (g,) image indices and (g, 4) boxes."""
        part = slice(self.gt_indptr[query], self.gt_indptr[query + 1])
        places = self.gt_places[part]
        return (places if self.is_open else self.gallery(query)[places]), self.gt_boxes[part]

    def save(self, path: str | os.PathLike) -> None:
        """Write the protocol to a ``.npz`` file, whole or not at all."""
        arrays = {key: getattr(self, key) for key in _ARRAYS}
        for key in ('gallery_indptr', 'gallery_images', 'image_cams'):
            if getattr(self, key) is not None:
                arrays[key] = getattr(self, key)
        with atomic_write(path) as stream:
            np.savez(
                stream,
                format=np.array(_FORMAT),
                kind=np.array(type(self).__name__),
                name=np.array(self.name),
                cameras=np.array(self.cameras),
                image_names=np.array(self.image_names, dtype=np.str_),
                **arrays,
            )

    @staticmethod
    def load(path: str | os.PathLike) -> SearchProtocol:
        """Read what :meth:`save` wrote; the class is the one that was saved.

        Raises:
            FileNotFoundError: without such a file.
            ValueError: where the file is no protocol or of another version.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f'{path} is not a readable protocol file ({error})') from None
        classes = {kind.__name__: kind for kind in _kinds(SearchProtocol)}
        if int(arrays.pop('format', 0)) != _FORMAT or str(arrays.get('kind')) not in classes:
            raise ValueError(f'{path} is not a protocol file of this version: delete it')
        kind = classes[str(arrays.pop('kind'))]
        names = arrays.pop('image_names').tolist()
        name, cameras = str(arrays.pop('name')), str(arrays.pop('cameras'))
        return kind(name, names, cameras=cameras, **arrays)

    @classmethod
    def from_people(
        cls,
        image_names: Sequence[str],
        queries: Iterable[tuple[int, int, np.ndarray]],
        people: People,
        cameras: str = 'all',
        image_cams: Sequence[int | None] | None = None,
    ) -> SearchProtocol:
        """Open gallery over ``image_names``; ground truth by identity.

        Where an identity occurs twice in one image, its first box counts.

        Args:
            image_names: the I images.
            queries: (image index, pid, box) of each query.
            people: everybody with an identity.
            cameras: ``all``, ``cross`` or ``same``.
            image_cams: camera of each image, None where unknown.

        Raises:
            ValueError: for an unknown ``cameras``, or ``cross`` / ``same`` with an unknown camera.
        """
        check_cameras(cameras)
        cams = _known_cameras(image_names, image_cams, cameras)
        pairs = np.stack([people.images, people.pids], axis=1).reshape(-1, 2)
        first = np.sort(np.unique(pairs, axis=0, return_index=True)[1])
        order = first[np.lexsort((people.images[first], people.pids[first]))]
        images, pids, boxes = people.images[order], people.pids[order], people.boxes[order]
        query_images, query_pids, query_boxes, places, gt_boxes = [], [], [], [], []
        for image, pid, box in queries:
            span = slice(*np.searchsorted(pids, [pid, pid + 1]))
            keep = images[span] != image
            if cams is not None and cameras != 'all':
                keep &= (cams[images[span]] == cams[image]) == (cameras == 'same')
            query_images.append(image)
            query_pids.append(pid)
            query_boxes.append(box)
            places.append(images[span][keep])
            gt_boxes.append(boxes[span][keep])
        return cls(
            cameras,
            image_names,
            np.array(query_images, np.int32),
            np.array(query_boxes, np.int32),
            np.array(query_pids, np.int64),
            offsets(np.array([len(part) for part in places], np.int64)),
            np.concatenate(places) if places else np.zeros(0),
            np.concatenate(gt_boxes) if gt_boxes else np.zeros((0, 4)),
            cameras=cameras,
            image_cams=cams,
        )

    @classmethod
    def from_coco(
        cls, ann_file: str | os.PathLike, query_file: str | os.PathLike, cameras: str = 'all'
    ) -> SearchProtocol:
        """Protocol of a custom dataset; see :func:`coco.read_coco` for the two files."""
        from .coco import read_coco

        names, cams, queries, people = read_coco(ann_file, query_file)
        return cls.from_people(names, queries, people, cameras, cams)


def check_cameras(cameras: str) -> str:
    """Return ``cameras`` where it is one of the rules.

    Raises:
        ValueError: naming the value and the rules.
    """
    if cameras not in CAMERA_RULES:
        raise ValueError(f'cameras={cameras!r} is unknown; allowed: {", ".join(CAMERA_RULES)}')
    return cameras


def _within(indices: np.ndarray, limits: int | np.ndarray) -> bool:
    return bool(((indices >= 0) & (indices < limits)).all())


def _kinds(kind: type) -> list[type]:
    children: list[type] = kind.__subclasses__()
    return [kind, *(below for child in children for below in _kinds(child))]


def _known_cameras(
    image_names: Sequence[str], cams: Sequence[int | None] | None, cameras: str
) -> np.ndarray | None:
    known = [camera_of(name) for name in image_names] if cams is None else list(cams)
    missing = [name for name, cam in zip(image_names, known, strict=True) if cam is None]
    if missing and cameras != 'all':
        raise ValueError(
            f"cameras='{cameras}' needs the camera of every image, and {missing[0]} has none: "
            'give its image record a cam_id'
        )
    return None if missing else np.array(known, np.int32)
