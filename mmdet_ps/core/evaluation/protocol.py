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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...utils.npz import read_arrays, write_arrays

CAMERA_RULES = ('all', 'cross', 'same')
_FORMAT = 2
_CURE = 'convert the dataset again with --force'
# Type and, for boxes, width of each array.
_ARRAYS: dict[str, tuple[type[np.signedinteger], int]] = {
    'query_images': (np.int32, 0),
    'query_boxes': (np.int32, 4),
    'query_pids': (np.int64, 0),
    'gt_indptr': (np.int64, 0),
    'gt_places': (np.int32, 0),
    'gt_boxes': (np.int32, 4),
    'gallery_indptr': (np.int64, 0),
    'gallery_images': (np.int32, 0),
    'image_cams': (np.int32, 0),
}


@dataclass
class People:
    """n annotated people with an identity: (n,) index of the image, (n,) identity, (n, 4) boxes."""

    images: np.ndarray
    pids: np.ndarray
    boxes: np.ndarray


def to_xyxy(xywh: np.ndarray | Sequence) -> np.ndarray:
    """Turn (..., 4) x y w h into int32 x1 y1 x2 y2: negative x, y become 0, sums are of floats."""
    boxes = np.asarray(xywh, np.float64)
    corner = np.maximum(boxes[..., :2], 0.0)
    return np.concatenate([corner, corner + boxes[..., 2:]], axis=-1).astype(np.int32)


def camera_of(image_name: str) -> int | None:
    """Camera number of a PRW frame name (``c3s1_000123.jpg`` gives 3); None for other names."""
    match = re.match(r'c(\d{1,9})s\d+_', image_name)
    return int(match.group(1)) if match else None


@dataclass(eq=False, repr=False)
class SearchProtocol:
    """Queries, galleries and ground truths of a person search test, in compact arrays.

    Attributes:
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
        sources: CRC-32 of the official files that it was made of, by their path in the release.

    Raises:
        ValueError: where an array is not of integers in their range, arrays contradict each other,
            or a box has no area.
    """

    name: str
    image_names: list[str]
    query_images: np.ndarray
    query_boxes: np.ndarray
    query_pids: np.ndarray
    gt_indptr: np.ndarray
    gt_places: np.ndarray
    gt_boxes: np.ndarray
    gallery_indptr: np.ndarray | None = None
    gallery_images: np.ndarray | None = None
    cameras: str = 'all'
    image_cams: np.ndarray | None = None
    sources: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.image_names = list(self.image_names)
        check_cameras(self.cameras)
        for key in _ARRAYS:
            if getattr(self, key) is not None:
                setattr(self, key, _integers(key, getattr(self, key), *_ARRAYS[key]))
        self._check()

    def _check(self) -> None:
        images, truths = len(self.image_names), len(self.gt_places)
        self._demand(self.num_queries > 0, 'there is no query')
        self._demand(len(set(self.image_names)) == images, 'an image name occurs twice')
        lengths = {len(self.query_boxes), len(self.query_pids)}
        self._demand(lengths == {self.num_queries}, 'query arrays differ in length')
        self._demand(len(self.gt_boxes) == truths, 'ground truth arrays differ in length')
        self._check_pointer(self.gt_indptr, truths, 'gt_indptr')
        self._demand(_within(self.query_images, images), 'a query image is out of range')
        cams = None if self.image_cams is None else len(self.image_cams)
        self._demand(cams in (None, images), 'image_cams does not hold one camera an image')
        known = self.cameras == 'all' or cams is not None
        self._demand(known, f"cameras='{self.cameras}' needs image_cams")
        queries, limits = self._gt_queries(), np.full(truths, images)
        if self.gallery_images is not None and self.gallery_indptr is not None:
            self._check_pointer(self.gallery_indptr, len(self.gallery_images), 'gallery_indptr')
            self._demand(_within(self.gallery_images, images), 'a gallery image is out of range')
            limits = np.diff(self.gallery_indptr)[queries]
        else:
            halves = self.gallery_images is self.gallery_indptr
            self._demand(halves, 'gallery_indptr and gallery_images belong together')
            own = self.query_images[queries] == self.gt_places
            self._demand(not own.any(), "a ground truth is in its query's own image")
        self._demand(_within(self.gt_places, limits), 'a ground truth is out of range')
        key = queries * max(images, limits.max(initial=0)) + self.gt_places
        self._demand(len(np.unique(key)) == truths, 'a gallery image has two ground truths')
        self._check_boxes(self.query_boxes, 'query', np.arange(self.num_queries))
        self._check_boxes(self.gt_boxes, 'ground truth of query', queries)

    def _demand(self, sound: bool, otherwise: str) -> None:
        if not sound:
            raise ValueError(f'protocol {self.name}: {otherwise}')

    def _check_pointer(self, indptr: np.ndarray, rows: int, name: str) -> None:
        ends = len(indptr) == self.num_queries + 1 and indptr[0] == 0 and indptr[-1] == rows
        sound = ends and bool((np.diff(indptr) >= 0).all())
        self._demand(sound, f'{name} does not share {rows} rows among {self.num_queries} queries')

    def _check_boxes(self, boxes: np.ndarray, what: str, queries: np.ndarray) -> None:
        for i in np.flatnonzero((boxes[:, 2:] <= boxes[:, :2]).any(axis=1)):
            where = f'{what} {queries[i]} ({self.query_names[queries[i]]})'
            self._demand(False, f'{where} has a box without area: {boxes[i].tolist()} (xyxy)')

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

    def hidden(self, query: int) -> np.ndarray:
        """(I,) bool: images that are not in the open gallery of the query."""
        own = self.query_images[query]
        mask = np.zeros(len(self.image_names), bool)
        if self.cameras != 'all' and self.image_cams is not None:
            mask = (self.image_cams == self.image_cams[own]) == (self.cameras == 'cross')
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
        arrays: dict[str, Any] = {key: getattr(self, key) for key in _ARRAYS}
        arrays = {key: array for key, array in arrays.items() if array is not None}
        arrays.update(format=_FORMAT, name=self.name, cameras=self.cameras)
        arrays['image_names'] = np.array(self.image_names, np.str_)
        arrays['source_names'] = np.array(list(self.sources), np.str_)
        arrays['source_sums'] = np.array(list(self.sources.values()), np.int64)
        write_arrays(path, arrays)

    @staticmethod
    def load(path: str | os.PathLike) -> SearchProtocol:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: without such a file.
            ValueError: where the file is no protocol, of another version, or not sound.
        """
        arrays: dict[str, Any] = read_arrays(path, _CURE)
        if arrays.pop('format', np.array(0)).tolist() != _FORMAT:
            raise ValueError(f'{path}: not a protocol of this version; {_CURE}')
        try:
            text = {key: _text(key, arrays.pop(key)) for key in ('name', 'cameras')}
            names, sources = (
                _text(key, arrays.pop(key), 1) for key in ('image_names', 'source_names')
            )
            sums = _integers('source_sums', arrays.pop('source_sums'), np.int64).tolist()
            sources = dict(zip(sources, sums, strict=True))
            return SearchProtocol(image_names=names, sources=sources, **text, **arrays)
        except KeyError as error:
            raise ValueError(f'{path}: has no array {error}; {_CURE}') from None
        except (TypeError, ValueError) as error:
            raise ValueError(f'{path}: {error}; {_CURE}') from None

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

        Where an identity occurs twice in one image, its first box counts. ``queries`` are (image
        index, pid, box); ``image_cams`` the camera of each image, None where unknown, by default
        that of PRW's names.

        Raises:
            ValueError: for an unknown ``cameras``, or ``cross`` / ``same`` with an unknown camera.
        """
        check_cameras(cameras)
        known = [camera_of(name) for name in image_names] if image_cams is None else image_cams
        missing = [name for name, cam in zip(image_names, known, strict=True) if cam is None]
        if missing and cameras != 'all':
            raise ValueError(
                f"cameras='{cameras}' needs the camera of every image, and {missing[0]} has none: "
                'give its image record a cam_id'
            )
        cams = None if missing else np.array(known, np.int32)
        pairs = np.stack([people.pids, people.images], axis=1).reshape(-1, 2)
        # Sorted by identity, then image; the first of each.
        order = np.unique(pairs, axis=0, return_index=True)[1]
        images, pids = people.images[order], people.pids[order]
        queries, found = list(queries), []
        for image, pid, _ in queries:
            span = slice(*np.searchsorted(pids, [pid, pid + 1]))
            keep = images[span] != image
            if cams is not None and cameras != 'all':
                keep &= (cams[images[span]] == cams[image]) == (cameras == 'same')
            found.append(order[span][keep])
        truths = np.concatenate([np.zeros(0, np.int64), *found])
        query_images, query_pids, boxes = zip(*queries, strict=True) if queries else ((), (), ())
        return cls(
            cameras,
            list(image_names),
            np.array(query_images),
            np.array(boxes),
            np.array(query_pids),
            np.cumsum([0, *map(len, found)]),
            people.images[truths],
            people.boxes[truths],
            cameras=cameras,
            image_cams=cams,
        )


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


def _integers(name: str, value: Any, dtype: type[np.signedinteger], width: int = 0) -> np.ndarray:
    """(n,) or, with a width, (n, width) integers; an empty array may be of any type and shape."""
    array = np.asarray(value)
    if not array.size:
        return np.zeros((0, width) if width else 0, dtype)
    shape = (len(array), width) if width and array.ndim else (array.size,)
    if array.dtype.kind not in 'iu' or array.shape != shape:
        raise ValueError(f'{name} is {array.dtype} {array.shape}, not integers {shape}')
    limits = np.iinfo(dtype)
    if array.min() < limits.min or array.max() > limits.max:
        raise ValueError(f'{name} holds numbers beyond {limits.dtype}')
    return array.astype(dtype)


def _text(name: str, array: np.ndarray, ndim: int = 0) -> Any:
    if array.dtype.kind != 'U' or array.ndim != ndim:
        raise ValueError(f'{name} is {array.dtype} {array.shape}, not text')
    return array.tolist()
