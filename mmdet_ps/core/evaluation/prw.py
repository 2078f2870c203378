"""PRW's protocol: every test frame but the query's own, of all cameras or by a camera rule."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from .protocol import People, SearchProtocol, check_cameras, to_xyxy

_BOX_KEYS = ('box_new', 'anno_file', 'anno_previous')


class PrwProtocol(SearchProtocol):
    """Person search on PRW (Zheng et al., "Person Re-identification in the Wild", CVPR 2017)."""

    @classmethod
    def from_release(cls, root: str | os.PathLike, cameras: str = 'all') -> PrwProtocol:
        """Read the test protocol from an unpacked release (its frames are not needed).

        Args:
            root: folder that holds ``frame_test.mat``, ``query_info.txt`` and ``annotations/``.
            cameras: gallery of ``all`` cameras, of all but the query's (``cross``), or of the
                query's (``same``).

        Raises:
            FileNotFoundError: where a file of the release is missing.
            ValueError: for an unknown ``cameras`` or a file that cannot be understood.
        """
        check_cameras(cameras)
        names = read_frames(root, 'test')
        images, pids, boxes = [], [], []
        for i, name in enumerate(names):
            for row in read_annotation(root, name):
                if row[0] >= 0:
                    images.append(i)
                    pids.append(int(row[0]))
                    boxes.append(to_xyxy(row[1:5]))
        people = People(
            np.array(images, np.int64),
            np.array(pids, np.int64),
            np.array(boxes, np.int32).reshape(-1, 4),
        )
        index = {name: i for i, name in enumerate(names)}
        queries = []
        for pid, xywh, name in read_queries(root):
            if name not in index:
                raise ValueError(f'query_info.txt asks for {name}, which is not in frame_test.mat')
            queries.append((index[name], pid, to_xyxy(xywh)))
        protocol = cls.from_people(names, queries, people, cameras)
        assert isinstance(protocol, PrwProtocol)
        return protocol


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing: is its folder an unpacked PRW release?')
    return path


def read_frames(root: str | os.PathLike, split: str) -> list[str]:
    """Frame names (with ``.jpg``) of the ``train`` or ``test`` split, in the release's order."""
    from ...utils.mat import load_mat, text

    cells = load_mat(Path(root) / f'frame_{split}.mat', f'img_index_{split}')
    return [f'{text(cell)}.jpg' for cell in cells.ravel()]


def read_annotation(root: str | os.PathLike, frame: str) -> np.ndarray:
    """(n, 5) float64 rows of pid, x, y, w, h of one frame; pid -2 has no identity."""
    from ...utils.mat import load_mat

    path = Path(root) / 'annotations' / f'{frame}.mat'
    rows = np.asarray(load_mat(path, *_BOX_KEYS), np.float64)
    if rows.size and (rows.ndim != 2 or rows.shape[1] != 5 or not np.isfinite(rows).all()):
        raise ValueError(
            f'{path}: holds an array of shape {rows.shape}, expected finite rows of id x y w h; '
            'unpack the release again'
        )
    return rows.reshape(-1, 5)


def read_queries(root: str | os.PathLike) -> list[tuple[int, list[float], str]]:
    """Pid, x y w h and frame name (with ``.jpg``) of each line of ``query_info.txt``."""
    path = _existing(Path(root) / 'query_info.txt')
    queries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            pid, x, y, w, h, frame = line.split()
            queries.append((int(pid), [float(v) for v in (x, y, w, h)], f'{frame}.jpg'))
        except ValueError:
            raise ValueError(f'{path}, line {number}: expected pid x y w h frame') from None
    return queries
