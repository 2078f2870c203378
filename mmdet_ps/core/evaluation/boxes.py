"""Box arithmetic of the evaluators: float64, boxes as x1 y1 x2 y2 in pixels."""

import numpy as np


def paired_iou(a: np.ndarray, b: np.ndarray, plus_one: bool = False) -> np.ndarray:
    """Intersection over union of each box of ``a`` with that of ``b`` in its place.

    Args:
        a: (..., 4) boxes; ``a`` and ``b`` are broadcast.
        b: (..., 4) boxes.
        plus_one: count pixels, as x2 - x1 + 1, instead of measuring lengths.

    Returns:
        (...) float64; 0 where the union is empty.
    """
    # One array a coordinate: sums over rows of two or four numbers would take most of the time.
    a, b = (np.moveaxis(np.asarray(boxes, np.float64), -1, 0) for boxes in (a, b))
    one = 1.0 if plus_one else 0.0
    width = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0]) + one
    height = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1]) + one
    inner = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    union = (a[2] - a[0] + one) * (a[3] - a[1] + one) + (b[2] - b[0] + one) * (b[3] - b[1] + one)
    union = union - inner
    return np.divide(inner, union, out=np.zeros_like(inner), where=union != 0)


def match_threshold(boxes: np.ndarray) -> np.ndarray:
    """IoU from which a detection counts as the person of ``boxes`` ((n, 4) integers): (n,) float64.

    min(0.5, w h / ((w + 10) (h + 10))), which is below 0.5 only for boxes of about 24 pixels.
    """
    width, height = (boxes[:, 2:4].astype(np.float64) - boxes[:, :2]).T
    return np.minimum(0.5, width * height / ((width + 10.0) * (height + 10.0)))


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Concatenate ``arange(start, start + count)`` over the pairs: (counts.sum(),) int64."""
    return np.arange(counts.sum()) + np.repeat(starts - np.cumsum(counts) + counts, counts)


def offsets(counts: np.ndarray) -> np.ndarray:
    """Row pointer of a ragged array with ``counts[i]`` elements in row i: (n + 1,) int64."""
    pointer = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=pointer[1:])
    return pointer
