"""What a search found for every query, and the file that keeps it for later pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ...utils.npz import read_arrays, write_arrays
from .options import SIMILARITIES

TOP_K = (1, 5, 10)
TOP_BOXES = 10
_CURE = 'make one with --save-ranking'


def _array(dtype: str, *shape: str | int) -> Any:
    """A field stored as such an array; a letter in the shape is the same size everywhere."""
    return field(metadata={'dtype': dtype, 'shape': shape})


@dataclass
class Ranking:
    """What one feature found on one protocol.

    Q queries, G ground truths over all of them, K = 10 best boxes, I images; ranks count from 0 and
    are -1 where there is none; boxes are x1 y1 x2 y2 in pixels of the original image.
    """

    feature: str
    protocol: str
    similarity: str  # what ``top_sims`` are: one of ``options.SIMILARITIES``
    image_names: np.ndarray = _array('U', 'I')  # the indices below point to them
    query_images: np.ndarray = _array('i4', 'Q')
    query_boxes: np.ndarray = _array('i4', 'Q', 4)
    query_pids: np.ndarray = _array('i8', 'Q')
    ap: np.ndarray = _array('f8', 'Q')  # average precision times recall, 0..1
    first: np.ndarray = _array('i8', 'Q')  # rank of the best true positive
    gt_indptr: np.ndarray = _array('i8', 'Q + 1')  # row pointer into the next three
    gt_images: np.ndarray = _array('i4', 'G')
    gt_boxes: np.ndarray = _array('i4', 'G', 4)
    gt_ranks: np.ndarray = _array('i8', 'G')  # rank of the detection of each ground truth
    top_images: np.ndarray = _array('i4', 'Q', 'K')  # of the best boxes; -1 beyond the last
    top_boxes: np.ndarray = _array('f4', 'Q', 'K', 5)  # with scores
    top_sims: np.ndarray = _array('f4', 'Q', 'K')
    top_right: np.ndarray = _array('?', 'Q', 'K')  # whether the box is a true positive

    def metrics(self) -> dict[str, float]:
        """``mAP``, ``top1``, ``top5``, ``top10``, each 0..1."""
        numbers = {'mAP': float(self.ap.mean())}
        for k in TOP_K:
            numbers[f'top{k}'] = float(((self.first >= 0) & (self.first < k)).mean())
        return numbers


def save_rankings(path: str | os.PathLike, rankings: Sequence[Ranking]) -> None:
    """Write rankings to one ``.npz`` file, whole or not at all."""
    arrays: dict[str, Any] = {'count': len(rankings)}
    for i, ranking in enumerate(rankings):
        for part in fields(Ranking):
            dtype = part.metadata.get('dtype', 'U')
            arrays[f'{i}.{part.name}'] = np.asarray(getattr(ranking, part.name), dtype)
    write_arrays(path, arrays, compress=True)


def load_rankings(path: str | os.PathLike) -> list[Ranking]:
    """Read what :func:`save_rankings` wrote: one ranking for each protocol and feature.

    Raises:
        FileNotFoundError: without such a file.
        ValueError: where the file is no ranking file, or is broken or contradicts itself.
    """
    arrays = read_arrays(path, _CURE)
    count = arrays.get('count', np.zeros(0))
    names = [part.name for part in fields(Ranking)]
    sound = count.shape == () and count.dtype.kind in 'iu' and count > 0
    if not sound or len(arrays) != 1 + int(count) * len(names):
        raise ValueError(f'{path}: not a ranking file; {_CURE}')
    try:
        return [
            _ranking({name: arrays[f'{i}.{name}'] for name in names}) for i in range(int(count))
        ]
    except KeyError as error:
        raise ValueError(f'{path}: the array {error} is missing; {_CURE}') from None
    except ValueError as error:
        raise ValueError(f'{path}: {error}; {_CURE}') from None


def _ranking(arrays: Mapping[str, np.ndarray]) -> Ranking:
    """Build a ranking of arrays with the right types, shapes and ranges, or raise ValueError."""
    sizes: dict[str, int] = {}
    for part in fields(Ranking):
        array, dtype = arrays[part.name], np.dtype(part.metadata.get('dtype', 'U'))
        letters = part.metadata.get('shape', ())
        shape = tuple(
            sizes.setdefault(letter, length) if isinstance(letter, str) else letter
            for letter, length in zip(letters, array.shape, strict=False)
        )
        right = array.dtype.kind == 'U' if dtype.kind == 'U' else array.dtype == dtype
        if not right or len(shape) != len(letters) or array.shape != shape:
            raise ValueError(f'{part.name} is {array.dtype} {array.shape}')
    values: dict[str, Any] = {
        name: array if array.ndim else str(array) for name, array in arrays.items()
    }
    ranking = Ranking(**values)
    images, truths = sizes['I'], sizes['G']
    indptr = ranking.gt_indptr
    sound = {
        'similarity': ranking.similarity in SIMILARITIES,
        'query_images': sizes['Q'] > 0 and _within(ranking.query_images, 0, images - 1),
        'query_boxes': (ranking.query_boxes[:, 2:] > ranking.query_boxes[:, :2]).all(),
        'ap': _within(ranking.ap, 0, 1),
        'first': _within(ranking.first, -1, np.inf),
        'gt_indptr': len(indptr) == sizes['Q'] + 1
        and _within(indptr, 0, truths)
        and (indptr[0], indptr[-1]) == (0, truths)
        and (np.diff(indptr) >= 0).all(),
        'gt_images': _within(ranking.gt_images, 0, images - 1),
        'gt_boxes': (ranking.gt_boxes[:, 2:] > ranking.gt_boxes[:, :2]).all(),
        'gt_ranks': _within(ranking.gt_ranks, -1, np.inf),
        'top_images': sizes['K'] > 0 and _within(ranking.top_images, -1, images - 1),
        'top_boxes': np.isfinite(ranking.top_boxes).all(),
        'top_sims': np.isfinite(ranking.top_sims).all(),
    }
    wrong = [name for name, fine in sound.items() if not fine]
    if wrong:
        raise ValueError(f'{", ".join(wrong)} out of range')
    return ranking


def _within(array: np.ndarray, low: float, high: float) -> bool:
    return bool(((array >= low) & (array <= high)).all())
