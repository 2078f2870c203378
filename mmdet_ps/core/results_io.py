"""Results files: what a model found in every picture of a test set, in one ``.npz`` file.

Arrays in the file (N pictures, T detections and K query boxes in all of them, picture by picture):

- ``names`` (N,) text, the pictures' names; left out where the results have none;
- ``counts`` (N,) integers, detections of each picture;
- ``boxes`` (T, 5) float32 x1 y1 x2 y2 score, in pixels of the original pictures;
- ``feats_NAME`` (T, D) float, one array a feature, in the model's order;
- where query boxes were described: ``query_counts`` (N,), ``query_boxes`` (K, 4 or 5) float32 and
  ``query_feats_NAME`` (K, D) of the same features.

Nothing in such a file is run. A pickle (mmdet's own ``tools/test.py --out FILE.pkl`` writes a list
with one dict an image) runs what it likes, and is read only where it is trusted.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..utils.npz import read_arrays, write_arrays

Result = dict[str, Any]

_CURE = 'make results with tools/test_ps.py CONFIG CHECKPOINT --out FILE.npz'
_PICKLES = ('.pkl', '.pickle')


class _Part(NamedTuple):
    """Names of one kind of boxes: in the dict of a picture, and in the file."""

    bboxes: str
    feats: str
    counts: str
    boxes: str
    prefix: str
    columns: tuple[int, ...]

    def feature_names(self, arrays: Mapping[str, np.ndarray]) -> list[str]:
        return [name.removeprefix(self.prefix) for name in arrays if name.startswith(self.prefix)]


_FOUND = _Part('bboxes', 'feats', 'counts', 'boxes', 'feats_', (5,))
_QUERIES = _Part(
    'query_boxes', 'query_feats', 'query_counts', 'query_boxes', 'query_feats_', (4, 5)
)


def check_out(path: str | os.PathLike | None) -> None:
    """Refuse a name under which no results are written; None, for no file, is fine.

    Raises:
        ValueError: for a name that does not end in ``.npz``.
    """
    if path is not None and Path(path).suffix != '.npz':
        raise ValueError(f'--out {path}: results are written as .npz, give a name that ends so')


def save_results(path: str | os.PathLike, results: Sequence[Mapping[str, Any]]) -> None:
    """Write results, whole or not at all.

    Args:
        path: a name that ends in ``.npz``.
        results: one dict a picture: ``bboxes`` (n, 5) and ``feats`` {name: (n, D)}; by wish
            ``img_name``, and ``query_boxes`` (k, 4 or 5) with ``query_feats`` {name: (k, D)}. What
            else a dict holds is left out.

    Raises:
        ValueError: for another name, or results that ``load_results`` would refuse.
    """
    check_out(path)
    arrays = _joined(results, str(path))
    _check(arrays, str(path))
    write_arrays(path, arrays)


def load_results(path: str | os.PathLike, trust: bool = False) -> list[Result]:
    """Read a results file.

    Args:
        path: file of :func:`save_results`; or, named ``.pkl`` or ``.pickle``, a pickled list with
            one dict an image.
        trust: read a pickle, which runs what it brings: for files of one's own.

    Returns:
        One dict a picture as :func:`save_results` takes it; the arrays are views of those of the
        whole file.

    Raises:
        FileNotFoundError: without such a file.
        ValueError: where it is broken, holds anything else, or is a pickle without ``trust``.
    """
    if Path(path).suffix in _PICKLES:
        arrays = _joined(_unpickled(Path(path), trust), str(path))
    else:
        arrays = read_arrays(path, _CURE)
    return _split(arrays, _check(arrays, str(path)))


def _unpickled(path: Path, trust: bool) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such results file; {_CURE}')
    if not trust:
        raise ValueError(
            f'{path}: a pickle, which can run code while it is read; --trust reads one of your own'
        )
    try:
        with path.open('rb') as stream:
            return pickle.load(stream)
    except Exception as error:
        raise ValueError(f'{path}: not a readable pickle ({error}); {_CURE}') from None


def _joined(results: Any, path: str) -> dict[str, np.ndarray]:
    """Make the arrays of a file from the dicts of its pictures."""
    if not isinstance(results, Sequence) or not all(isinstance(r, Mapping) for r in results):
        raise ValueError(f'{path}: no list with one dict an image; {_CURE}')
    if not results:
        raise ValueError(f'{path}: no results of any picture; {_CURE}')
    arrays: dict[str, np.ndarray] = {}
    if any('img_name' in result for result in results):
        names = [result.get('img_name') for result in results]
        unnamed = [i for i, name in enumerate(names) if not isinstance(name, str)]
        if unnamed:
            raise ValueError(f'{path}: result {unnamed[0]} has no text as img_name, others have')
        arrays['names'] = np.array(names, np.str_)
    arrays |= _join(dict(enumerate(results)), _FOUND, path)
    # A picture without queries has none of their keys, or empty arrays.
    asked = {i: r for i, r in enumerate(results) if _QUERIES.bboxes in r or _QUERIES.feats in r}
    if asked:
        arrays |= _join(asked, _QUERIES, path)
        counts = np.zeros(len(results), np.int64)
        counts[list(asked)] = arrays[_QUERIES.counts]
        arrays[_QUERIES.counts] = counts
    return arrays


def _join(results: dict[int, Mapping[str, Any]], part: _Part, path: str) -> dict[str, np.ndarray]:
    tables: dict[str, list[np.ndarray]] = {}
    for i, result in results.items():
        feats = result.get(part.feats)
        if part.bboxes not in result or not isinstance(feats, Mapping):
            raise ValueError(f'{path}: result {i} has no {part.bboxes} and {part.feats}; {_CURE}')
        rows = {part.boxes: np.asarray(result[part.bboxes])}
        rows |= {f'{part.prefix}{name}': np.asarray(value) for name, value in feats.items()}
        if tables and rows.keys() != tables.keys():
            raise ValueError(f'{path}: result {i} has other {part.feats} than those before it')
        for name, row in rows.items():
            if row.ndim != 2 or row.dtype.kind not in 'iuf' or len(row) != len(rows[part.boxes]):
                raise ValueError(
                    f'{path}: {name} of result {i} is {row.dtype} of shape {row.shape}; needed is '
                    f'a row of numbers for each of its {part.bboxes}'
                )
            tables.setdefault(name, []).append(row)
    arrays = {part.counts: np.array([len(row) for row in tables.get(part.boxes, [])], np.int64)}
    for name, found in tables.items():
        # Pictures without people may have empty arrays of another width.
        rows_of = [row for row in found if len(row)] or found[:1]
        if len({row.shape[1] for row in rows_of}) != 1:
            raise ValueError(f'{path}: {name} has rows of different lengths')
        arrays[name] = np.concatenate(rows_of)
    arrays[part.boxes] = arrays.get(part.boxes, np.zeros((0, 5))).astype(np.float32)
    return arrays


def _check(arrays: Mapping[str, np.ndarray], path: str) -> list[str] | None:
    """Check every array of a file, and return the names of the pictures."""
    try:
        features = _FOUND.feature_names(arrays)
        _check_part(arrays, _FOUND, features)
        if _QUERIES.boxes in arrays or _QUERIES.feature_names(arrays):
            _check_part(arrays, _QUERIES, features)
            if len(arrays[_QUERIES.counts]) != len(arrays[_FOUND.counts]):
                raise ValueError('query_counts and counts are not of the same pictures')
        names = arrays.get('names')
        if names is None:
            return None
        if names.shape != arrays[_FOUND.counts].shape or names.dtype.kind != 'U':
            raise ValueError(f'names is {names.dtype} of shape {names.shape}')
    except ValueError as error:
        raise ValueError(f'{path}: no results file, {error}; {_CURE}') from None
    return names.tolist()


def _check_part(arrays: Mapping[str, np.ndarray], part: _Part, features: list[str]) -> None:
    feats = [f'{part.prefix}{name}' for name in features] or [f'{part.prefix}NAME']
    missing = [name for name in (part.counts, part.boxes, *feats) if name not in arrays]
    if missing:
        raise ValueError(f'{missing[0]} is missing')
    if part.feature_names(arrays) != features:
        raise ValueError(
            f'{part.prefix}NAME and feats_NAME are not of the same features in the same order'
        )
    counts, boxes = arrays[part.counts], arrays[part.boxes]
    if counts.ndim != 1 or counts.dtype.kind not in 'iu' or not len(counts):
        raise ValueError(f'{part.counts} must have a whole number for each picture')
    if boxes.ndim != 2 or boxes.dtype.kind != 'f' or boxes.shape[1] not in part.columns:
        raise ValueError(f'{part.boxes} is {boxes.dtype} of shape {boxes.shape}')
    # Each before their sum, which could overflow.
    if counts.min() < 0 or counts.max() > len(boxes) or counts.sum() != len(boxes):
        raise ValueError(f'{part.counts} must add up to the {len(boxes)} rows of {part.boxes}')
    bad = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(bad):
        picture = np.searchsorted(np.cumsum(counts), bad[0], side='right')
        raise ValueError(f'{part.boxes} holds NaN or infinity in picture {picture}')
    for name in feats:
        rows = arrays[name]
        if rows.ndim != 2 or rows.dtype.kind != 'f' or len(rows) != len(boxes):
            raise ValueError(f'{name} is {rows.dtype} of shape {rows.shape} for {len(boxes)} boxes')


def _split(arrays: Mapping[str, np.ndarray], names: list[str] | None) -> list[Result]:
    """Give each picture its rows."""
    results: list[Result] = [{} for _ in range(len(arrays[_FOUND.counts]))]
    for part in (_FOUND, _QUERIES):
        if part.boxes not in arrays:
            continue
        ends = np.cumsum(arrays[part.counts].astype(np.int64)).tolist()
        boxes = arrays[part.boxes].astype(np.float32, copy=False)
        feats = {name: arrays[f'{part.prefix}{name}'] for name in part.feature_names(arrays)}
        for result, start, end in zip(results, [0, *ends], ends, strict=False):
            result[part.bboxes] = boxes[start:end]
            result[part.feats] = {name: rows[start:end] for name, rows in feats.items()}
    for result, name in zip(results, names or (), strict=False):
        result['img_name'] = name
    return results
