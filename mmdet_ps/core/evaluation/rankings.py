"""Ranked results of every query, in a file from which a picture can be drawn without a model."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ...utils.io import atomic_write
from .protocol import SearchProtocol
from .search import SearchOutcome


@dataclass
class Ranking:
    """What one feature found on one protocol (Q queries, G ground truths, K = 10 best boxes).

    Attributes:
        feature: name of the feature.
        protocol: name of the protocol.
        similarity: what ``top_sims`` are: ``cosine``, ``cosine x score`` or ``matched sum``.
        image_names: I names that the indices below point to.
        query_images: (Q,).
        query_boxes: (Q, 4) int32 x1 y1 x2 y2.
        query_pids: (Q,).
        ap: (Q,) 0..1.
        first: (Q,) rank from 0 of the best true positive, -1 without one.
        gt_indptr: (Q + 1,) row pointer into the next three.
        gt_images: (G,).
        gt_boxes: (G, 4) int32.
        gt_ranks: (G,) rank from 0 of the detection of each ground truth, -1 where there is none.
        top_images: (Q, K) image of the best boxes, -1 beyond the last.
        top_boxes: (Q, K, 5) float32 x1 y1 x2 y2 score.
        top_sims: (Q, K) float32 similarities.
        top_right: (Q, K) bool, whether the box is a true positive.
    """

    feature: str
    protocol: str
    similarity: str
    image_names: np.ndarray
    query_images: np.ndarray
    query_boxes: np.ndarray
    query_pids: np.ndarray
    ap: np.ndarray
    first: np.ndarray
    gt_indptr: np.ndarray
    gt_images: np.ndarray
    gt_boxes: np.ndarray
    gt_ranks: np.ndarray
    top_images: np.ndarray
    top_boxes: np.ndarray
    top_sims: np.ndarray
    top_right: np.ndarray

    @classmethod
    def of(
        cls, feature: str, protocol: SearchProtocol, similarity: str, outcome: SearchOutcome
    ) -> Ranking:
        """Collect the ranking from a search that kept its details."""
        truths = [protocol.ground_truth(q)[0] for q in range(protocol.num_queries)]
        return cls(
            feature,
            protocol.name,
            similarity,
            np.array(protocol.image_names, dtype=np.str_),
            protocol.query_images,
            protocol.query_boxes,
            protocol.query_pids,
            outcome.ap,
            outcome.first,
            protocol.gt_indptr,
            np.concatenate(truths).astype(np.int32),
            protocol.gt_boxes,
            outcome.truth_ranks,
            outcome.top_images,
            outcome.top_boxes,
            outcome.top_sims,
            outcome.top_right,
        )


def save_rankings(path: str | os.PathLike, rankings: Sequence[Ranking]) -> None:
    """Write rankings to one ``.npz`` file (no pickle inside), whole or not at all."""
    arrays: dict[str, Any] = {
        f'{i}.{part.name}': np.asarray(getattr(ranking, part.name))
        for i, ranking in enumerate(rankings)
        for part in fields(Ranking)
    }
    with atomic_write(path) as stream:
        np.savez_compressed(stream, count=np.array(len(rankings)), **arrays)


def load_rankings(path: str | os.PathLike) -> list[Ranking]:
    """Read what :func:`save_rankings` wrote: one ranking for each protocol and feature.

    Raises:
        FileNotFoundError: without such a file.
        ValueError: where the file is no ranking file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return [
                Ranking(
                    str(stored[f'{i}.feature']),
                    str(stored[f'{i}.protocol']),
                    str(stored[f'{i}.similarity']),
                    *(stored[f'{i}.{part.name}'] for part in fields(Ranking)[3:]),
                )
                for i in range(int(stored['count']))
            ]
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile):
        raise ValueError(f'{path} is not a ranking file: make one with --save-ranking') from None
