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


def check_detections(
    image_names: Sequence[str], bboxes: Sequence[np.ndarray], feats: Sequence[np.ndarray]
) -> None:
    """Check that the arrays of every image fit together and hold finite numbers.

    Raises:
        ValueError: naming the image, for lists or rows of different lengths, other shapes than
            (n, 5) and (n, D), feature sizes that differ, anything but finite numbers, or a name
            that occurs twice.
    """
    if not len(image_names) == len(bboxes) == len(feats):
        raise ValueError(
            f'{len(image_names)} image names, {len(bboxes)} arrays of boxes and {len(feats)} '
            'of features: the results belong to another dataset or split'
        )
    seen: set[str] = set()
    size, first = 0, ''
    for name, boxes, rows in zip(image_names, bboxes, feats, strict=True):
        if name in seen:
            raise ValueError(f'{name} occurs twice in the image names of the results')
        seen.add(name)
        check_boxes(name, boxes)
        if len(boxes) != len(rows):
            raise ValueError(f'{name}: {len(boxes)} boxes but {len(rows)} features')
        if len(rows) == 0:
            continue
        if rows.ndim != 2 or rows.dtype.kind not in 'fiu':
            raise ValueError(
                f'{name}: expected features (n, D) of numbers, got {rows.dtype} {rows.shape}'
            )
        if not size:
            size, first = rows.shape[1], name
        elif rows.shape[1] != size:
            raise ValueError(
                f'{name}: features of size {rows.shape[1]}, but those of {first} have {size}'
            )
        if not np.isfinite(row_norms(rows)).all():
            raise ValueError(f'{name}: NaN, infinity or overflow in the features')


def check_boxes(name: str, boxes: np.ndarray, columns: int = 5) -> None:
    """Check that ``boxes`` are finite numbers of shape (n, columns); no boxes have any shape.

    Raises:
        ValueError: naming the image.
    """
    if len(boxes) == 0:
        return
    if boxes.shape != (len(boxes), columns) or boxes.dtype.kind not in 'fiu':
        raise ValueError(
            f'{name}: expected boxes (n, {columns}) of numbers, got {boxes.dtype} {boxes.shape}'
        )
    if not np.isfinite(boxes).all():
        raise ValueError(f'{name}: NaN or infinity in the boxes')


def locate_images(protocol: SearchProtocol, image_names: Sequence[str]) -> list[int]:
    """Place of each of the I protocol images in the results.

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
    return [places[name] for name in protocol.image_names]


@dataclass
class Detections:
    """Detections with score >= the threshold, in the order of the protocol's images.

    Attributes:
        boxes: (T, 5).
        feats: (T, D), as given.
        scale: (T,) float64, what a dot product with the raw feature is multiplied by: 1 / norm (0
            for a zero feature), times the score where similarities are class-weighted.
        images: (T,) index of the image.
        places: (T,) place among all detections of the image, whatever their score.
        indptr: (I + 1,) int64 row pointer by image.
    """

    boxes: np.ndarray
    feats: np.ndarray
    scale: np.ndarray
    images: np.ndarray
    places: np.ndarray
    indptr: np.ndarray

    @classmethod
    def confident(
        cls,
        bboxes: Sequence[np.ndarray],
        feats: Sequence[np.ndarray],
        score_thr: float,
        class_weighted: bool,
    ) -> Detections:
        """Collect what reaches ``score_thr`` from I checked arrays (n_i, 5) and (n_i, D)."""
        filled = [i for i, boxes in enumerate(bboxes) if len(boxes)]
        kept = {i: np.flatnonzero(bboxes[i][:, 4] >= score_thr) for i in filled}
        counts = np.array([len(kept.get(i, ())) for i in range(len(bboxes))], np.int64)
        indptr = offsets(counts)
        size = feats[filled[0]].shape[1] if filled else 0
        boxes, norms = np.zeros((indptr[-1], 5)), np.zeros(indptr[-1])
        places = np.zeros(indptr[-1], np.int64)
        dtype = np.result_type(np.float16, *{feats[i].dtype for i in filled})
        rows = np.zeros((indptr[-1], size), dtype)
        for i, chosen in kept.items():
            span = slice(indptr[i], indptr[i + 1])
            boxes[span], rows[span], places[span] = bboxes[i][chosen], feats[i][chosen], chosen
            norms[span] = row_norms(rows[span])
        scale = np.divide(1.0, norms, out=np.zeros(len(norms)), where=norms > 0)
        if class_weighted:
            scale *= boxes[:, 4]
        return cls(boxes, rows, scale, np.repeat(np.arange(len(bboxes)), counts), places, indptr)

    def of_image(self, image: int) -> np.ndarray:
        """Rows of the detections of an image."""
        return np.arange(self.indptr[image], self.indptr[image + 1])


def row_norms(rows: np.ndarray) -> np.ndarray:
    """L2 norm of each row, (n,) float64."""
    rows = rows.astype(np.float64)
    return np.sqrt(np.einsum('ij,ij->i', rows, rows))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows as float64 of length 1; rows of zeros stay."""
    norms = row_norms(rows)[:, None]
    return np.divide(rows, norms, out=np.zeros(rows.shape), where=norms > 0)


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
    count = protocol.num_queries
    nearest, overlap = np.full(count, -1, np.int64), np.zeros(count)
    rows = np.zeros((count, size))
    for query, image in enumerate(protocol.query_images):
        boxes = bboxes[image]
        if len(boxes):
            iou = paired_iou(boxes[:, :4], protocol.query_boxes[query], plus_one=True)
            best = iou.argmax()
            nearest[query], overlap[query] = best, iou[best]
            rows[query] = feats[image][best]
    if given is None:
        return Queries(unit(rows), nearest >= 0, nearest, overlap)
    given = np.asarray(given)
    if given.ndim != 2 or given.shape != (count, size or given.shape[1]):
        raise ValueError(f'query_feats must be ({count}, {size}), got {given.shape}')
    wrong = np.flatnonzero(~np.isfinite(row_norms(given)))
    if len(wrong):
        name = protocol.query_names[wrong[0]]
        raise ValueError(f'query_feats: NaN, infinity or overflow in row {wrong[0]} ({name})')
    return Queries(unit(given), np.ones(count, bool), nearest, overlap)
