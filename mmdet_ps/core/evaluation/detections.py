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
    image_names: Sequence[str],
    bboxes: Sequence[np.ndarray],
    feats: Sequence[np.ndarray],
    columns: int = 5,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Check that the arrays of every image fit together and hold finite numbers.

    Returns:
        N arrays (n, columns) and N arrays (n, D).

    Raises:
        ValueError: naming the image, for lists or rows of different lengths, other shapes, feature
            sizes that differ, anything but finite numbers, or a name that occurs twice.
    """
    if not len(image_names) == len(bboxes) == len(feats):
        raise ValueError(
            f'{len(image_names)} image names, {len(bboxes)} arrays of boxes and {len(feats)} '
            'of features: the results belong to another dataset or split'
        )
    boxes = [
        check_boxes(name, array, columns) for name, array in zip(image_names, bboxes, strict=True)
    ]
    rows = [np.asarray(array) for array in feats]
    seen: set[str] = set()
    size, first = 0, ''
    for name, here, feat in zip(image_names, boxes, rows, strict=True):
        if name in seen:
            raise ValueError(f'{name} occurs twice in the image names of the results')
        seen.add(name)
        if feat.shape[:1] != here.shape[:1]:
            raise ValueError(f'{name}: {len(here)} boxes but features of shape {feat.shape}')
        if len(feat) == 0:
            continue
        if feat.ndim != 2 or feat.shape[1] == 0 or feat.dtype.kind not in 'fiu':
            raise ValueError(f'{name}: features (n, D) are needed, got {feat.dtype} {feat.shape}')
        if not size:
            size, first = feat.shape[1], name
        if feat.shape[1] != size:
            raise ValueError(
                f'{name}: features of size {feat.shape[1]}, but those of {first} have {size}'
            )
        if not np.isfinite(row_norms(feat)).all():
            raise ValueError(f'{name}: NaN, infinity or overflow in the features')
    return boxes, [feat.reshape(len(feat), size) for feat in rows]


def check_boxes(name: str, boxes: np.ndarray, columns: int = 5) -> np.ndarray:
    """Return (n, columns) boxes where they are finite numbers; no boxes may have any shape.

    Raises:
        ValueError: naming the image.
    """
    boxes = np.asarray(boxes)
    if boxes.shape[:1] == (0,):
        return np.zeros((0, columns), np.float32)
    if boxes.shape != (*boxes.shape[:1], columns) or boxes.dtype.kind not in 'fiu':
        raise ValueError(
            f'{name}: boxes (n, {columns}) are needed, got {boxes.dtype} {boxes.shape}'
        )
    if not np.isfinite(boxes).all():
        raise ValueError(f'{name}: NaN or infinity in the boxes')
    return boxes


def locate_images(protocol: SearchProtocol, image_names: Sequence[str]) -> list[int]:
    """Place of each of the I protocol images in the results.

    Raises:
        KeyError: naming a query's or a gallery's image that is not among the results.
    """
    places = {name: i for i, name in enumerate(image_names)}
    missing = [i for i, name in enumerate(protocol.image_names) if name not in places]
    if missing:
        asked = np.flatnonzero(np.isin(protocol.query_images, missing)).tolist()
        first = protocol.query_images[asked[0]] if asked else missing[0]
        raise KeyError(
            f'{f"query {asked[0]}" if asked else "the gallery"} of protocol {protocol.name} needs '
            f'{protocol.image_names[first]}, which is not among the results '
            f'({len(missing)} of {len(protocol.image_names)} images are missing): '
            'were they made on another dataset or split?'
        )
    return [places[name] for name in protocol.image_names]


@dataclass
class Detections:
    """Detections with score >= the threshold, in the order of the protocol's images.

    ``scale`` is what a dot product with the raw feature is multiplied by: 1 / norm (0 for a zero
    feature), times the score where similarities are class-weighted.
    """

    boxes: np.ndarray  # (T, 5)
    feats: np.ndarray  # (T, D), as given
    scale: np.ndarray  # (T,) float64
    images: np.ndarray  # (T,) index of the image
    places: np.ndarray  # (T,) place among all detections of the image, whatever their score
    indptr: np.ndarray  # (I + 1,) int64 row pointer by image

    @classmethod
    def confident(
        cls,
        bboxes: Sequence[np.ndarray],
        feats: Sequence[np.ndarray],
        score_thr: float,
        class_weighted: bool,
    ) -> Detections:
        """Collect what reaches ``score_thr`` from I arrays (n_i, 5) and (n_i, D)."""
        kept = [np.flatnonzero(array[:, 4] >= score_thr) for array in bboxes]
        counts = np.array([len(places) for places in kept])
        boxes = np.concatenate([array[places] for array, places in zip(bboxes, kept, strict=True)])
        rows = np.concatenate([array[places] for array, places in zip(feats, kept, strict=True)])
        norms = row_norms(rows)
        scale = np.divide(1.0, norms, out=np.zeros(len(norms)), where=norms > 0)
        if class_weighted:
            scale *= boxes[:, 4]
        images = np.repeat(np.arange(len(bboxes)), counts)
        return cls(boxes, rows, scale, images, np.concatenate(kept), offsets(counts))

    def of_image(self, image: int) -> np.ndarray:
        """Rows of the detections of an image."""
        return np.arange(self.indptr[image], self.indptr[image + 1])


def row_norms(rows: np.ndarray) -> np.ndarray:
    """L2 norm of each row, (n,) float64."""
    return np.sqrt(np.einsum('ij,ij->i', rows, rows, dtype=np.float64))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows as float64 of length 1; rows of zeros stay."""
    norms = row_norms(rows)[:, None]
    return np.divide(rows, norms, out=np.zeros(rows.shape), where=norms > 0)


@dataclass
class Queries:
    """What is searched with."""

    feats: np.ndarray  # (Q, D) float64, L2-normalised; zeros where there is none
    found: np.ndarray  # (Q,) bool, whether the query has a feature
    nearest: np.ndarray  # (Q,) place of the nearest detection in the query's image; -1: none
    overlap: np.ndarray  # (Q,) float64, its IoU (+1) with the query box


def find_queries(
    protocol: SearchProtocol,
    bboxes: Sequence[np.ndarray],
    feats: Sequence[np.ndarray],
    given: np.ndarray | None,
) -> Queries:
    """Feature of each query: that of the nearest detection of its image, or the one given.

    The nearest detection has the largest IoU with the query box, measured in whole pixels (x2 - x1
    + 1), over all detections whatever their score; of equal ones the first.

    Args:
        protocol: its query boxes are used.
        bboxes: I arrays (n_i, 5) in the order of the protocol's images.
        feats: I arrays (n_i, D).
        given: (Q, D) features of the query boxes, or None.

    Raises:
        ValueError: where ``given`` has another shape or is not finite.
    """
    count, size = protocol.num_queries, feats[0].shape[1]
    nearest, overlap = np.full(count, -1, np.int64), np.zeros(count)
    rows = np.zeros((count, size))
    for query, image in enumerate(protocol.query_images.tolist()):
        boxes = bboxes[image]
        if len(boxes):
            iou = paired_iou(boxes[:, :4], protocol.query_boxes[query], plus_one=True)
            best = iou.argmax()
            nearest[query], overlap[query], rows[query] = best, iou[best], feats[image][best]
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
