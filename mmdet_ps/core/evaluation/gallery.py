"""Detections and features of a test set, checked once and put in the order of a protocol's images.

Shorthand in this module: N images of the results, I images of the protocol, n_i detections of image
i, D feature size, T detections that reach the score threshold, Q queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .boxes import offsets, paired_iou
from .protocol import SearchProtocol

_IMAGES = 512  # images whose features are collected at a time


def check_detections(
    image_names: Sequence[str], bboxes: Sequence[np.ndarray], feats: Sequence[np.ndarray]
) -> None:
    """Check that the arrays of every image fit together.

    Raises:
        ValueError: naming the image, for lists or rows of different lengths, other shapes than
            (n, 5) and (n, D), feature sizes that differ, or a name that occurs twice.
    """
    if not len(image_names) == len(bboxes) == len(feats):
        raise ValueError(
            f'{len(image_names)} image names, {len(bboxes)} arrays of boxes and {len(feats)} '
            'of features: the results belong to another dataset or split'
        )
    if len(set(image_names)) != len(image_names):
        twice = next(name for i, name in enumerate(image_names) if name in image_names[:i])
        raise ValueError(f'{twice} occurs twice in the image names of the results')
    size, first = 0, ''
    for name, boxes, rows in zip(image_names, bboxes, feats, strict=True):
        count = len(boxes)
        if count != len(rows):
            raise ValueError(f'{name}: {count} boxes but {len(rows)} features')
        if count == 0:
            continue
        if boxes.shape != (count, 5) or rows.ndim != 2:
            raise ValueError(
                f'{name}: expected boxes (n, 5) and features (n, D), '
                f'got {boxes.shape} and {rows.shape}'
            )
        if not size:
            size, first = rows.shape[1], name
        elif rows.shape[1] != size:
            raise ValueError(
                f'{name}: features of size {rows.shape[1]}, but those of {first} have {size}'
            )


def locate_images(protocol: SearchProtocol, image_names: Sequence[str]) -> np.ndarray:
    """(I,) place of each protocol image in the results.

    Raises:
        KeyError: naming a query's or a gallery's image that is not among the results.
    """
    places = {name: i for i, name in enumerate(image_names)}
    missing = [i for i, name in enumerate(protocol.image_names) if name not in places]
    if missing:
        asked = np.flatnonzero(np.isin(protocol.query_images, missing))
        name = protocol.image_names[protocol.query_images[asked[0]] if len(asked) else missing[0]]
        what = f'query {asked[0]} of' if len(asked) else 'the gallery of'
        raise KeyError(
            f'{what} protocol {protocol.name} needs {name}, which is not among the results '
            f'({len(missing)} of {len(protocol.image_names)} images are missing): '
            'were they made on another dataset or split?'
        )
    return np.array([places[name] for name in protocol.image_names], np.int64)


@dataclass
class Gallery:
    """Detections with score >= the threshold, in the order of the protocol's images.

    Attributes:
        boxes: (T, 5).
        feats: (T, D), as given.
        scale: (T,) float64, what a dot product with the raw feature is multiplied by: 1 / norm (0
            for a zero feature), times the score where similarities are class-weighted.
        indptr: (I + 1,) int64 row pointer by image.
    """

    boxes: np.ndarray
    feats: np.ndarray
    scale: np.ndarray
    indptr: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """(I,) detections of each image."""
        return np.diff(self.indptr)


def keep_confident(
    names: Sequence[str],
    bboxes: Sequence[np.ndarray],
    feats: Sequence[np.ndarray],
    score_thr: float,
    class_weighted: bool,
) -> Gallery:
    """Collect the detections that reach ``score_thr`` from I arrays (n_i, 5) and (n_i, D).

    Raises:
        ValueError: naming the image, for NaN or infinity in any detection.
    """
    lengths = np.array([len(boxes) for boxes in bboxes], np.int64)
    filled = np.flatnonzero(lengths).tolist()
    if not filled:
        return Gallery(np.zeros((0, 5)), np.zeros((0, 0)), np.zeros(0), offsets(lengths))
    boxes = np.concatenate([bboxes[i] for i in filled])
    if not np.isfinite(boxes).all():
        raise ValueError(_not_finite(names, bboxes, 'boxes'))
    kept = boxes[:, 4] >= score_thr
    indptr = offsets(
        np.bincount(np.repeat(np.arange(len(lengths)), lengths)[kept], None, len(lengths))
    )
    dtype = np.result_type(*{feats[i].dtype for i in filled})
    rows = np.empty((indptr[-1], feats[filled[0]].shape[1]), dtype)
    norms = np.empty(len(rows))
    ends = offsets(lengths[filled])
    for k in range(0, len(filled), _IMAGES):
        images = filled[k : k + _IMAGES]
        part = kept[ends[k] : ends[k + len(images)]]
        span = slice(indptr[images[0]], indptr[images[-1] + 1])
        if part.all():
            np.concatenate([feats[i] for i in images], out=rows[span])
            norms[span] = row_norms(rows[span])
            finite = np.isfinite(norms[span]).all()
        else:
            everything = np.concatenate([feats[i] for i in images])
            rows[span] = everything[part]
            everything_norms = row_norms(everything)
            norms[span] = everything_norms[part]
            finite = np.isfinite(everything_norms).all()
        if not finite:
            raise ValueError(_not_finite(names, feats, 'features'))
    boxes = boxes[kept]
    scale = np.divide(1.0, norms, out=np.zeros(len(norms)), where=norms > 0)
    if class_weighted:
        scale *= boxes[:, 4]
    return Gallery(boxes, rows, scale, indptr)


def _not_finite(names: Sequence[str], arrays: Sequence[np.ndarray], what: str) -> str:
    for name, array in zip(names, arrays, strict=True):
        if not np.isfinite(row_norms(array) if array.ndim == 2 else array).all():
            return f'{name}: NaN, infinity or overflow in the {what}'
    raise AssertionError('all arrays are finite')


def row_norms(rows: np.ndarray) -> np.ndarray:
    """L2 norm of each row, (n,) float64."""
    norms = np.empty(len(rows))
    for start in range(0, len(rows), 1024):
        part = rows[start : start + 1024].astype(np.float64)
        norms[start : start + 1024] = np.sqrt(np.einsum('ij,ij->i', part, part))
    return norms


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows as float64 of length 1; rows of zeros stay."""
    rows = rows.astype(np.float64)
    norms = row_norms(rows)[:, None]
    return np.divide(rows, norms, out=rows, where=norms > 0)


@dataclass
class Queries:
    """What is searched with.

    Attributes:
        feats: (Q, D) float64, L2-normalised; zeros where there is none.
        found: (Q,) bool, whether the query has a feature.
        nearest: (Q,) int64, place of the nearest detection among all detections of the query's
            image; -1: none.
        overlap: (Q,) float64, its IoU (+1) with the query box.
    """

    feats: np.ndarray
    found: np.ndarray
    nearest: np.ndarray
    overlap: np.ndarray


def find_queries(
    protocol: SearchProtocol,
    bboxes: Sequence[np.ndarray],
    feats: Sequence[np.ndarray],
    size: int,
    given: np.ndarray | None,
) -> Queries:
    """Feature of each query: that of the nearest detection of its image, or the one given.

    The nearest detection has the largest IoU with the query box, measured in whole pixels (x2 - x1
    + 1), over all detections whatever their score; of equal ones the first.

    Args:
        protocol: its query boxes are used.
        bboxes: I arrays (n_i, 5) in the order of the protocol's images.
        feats: I arrays (n_i, D).
        size: D.
        given: (Q, D) features of the query boxes, or None.

    Raises:
        ValueError: where ``given`` has another shape or is not finite.
    """
    images = protocol.query_images.tolist()
    counts = np.array([len(bboxes[i]) for i in images])
    nearest = np.full(len(images), -1, np.int64)
    overlap = np.zeros(len(images))
    filled = np.flatnonzero(counts)
    if len(filled):
        boxes = np.concatenate([bboxes[images[q]] for q in filled])
        iou = paired_iou(
            np.repeat(protocol.query_boxes[filled], counts[filled], axis=0), boxes, plus_one=True
        )
        starts = offsets(counts[filled])[:-1]
        overlap[filled] = np.maximum.reduceat(iou, starts)
        best = np.flatnonzero(iou == np.repeat(overlap[filled], counts[filled]))
        nearest[filled] = best[np.searchsorted(best, starts)] - starts
    if given is None:
        rows = np.zeros((len(images), size))
        if len(filled):
            rows[filled] = [feats[images[q]][nearest[q]] for q in filled]
        return Queries(unit(rows), counts > 0, nearest, overlap)
    given = np.asarray(given)
    if given.shape != (len(images), size or given.shape[-1]):
        raise ValueError(f'query_feats must be ({len(images)}, {size}), got {given.shape}')
    if not np.isfinite(given).all():
        query = int(np.flatnonzero(~np.isfinite(given).all(axis=1))[0])
        raise ValueError(
            f'query_feats: NaN or infinity in row {query} ({protocol.query_names[query]})'
        )
    return Queries(unit(given), np.ones(len(images), bool), nearest, overlap)
