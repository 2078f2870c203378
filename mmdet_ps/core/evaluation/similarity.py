"""The gallery of one query after the other, with the similarities to its detections.

A similarity is the dot product of L2-normalised features, summed in float64 and rounded to float32:
equal features then have equal similarities wherever they stand in a matrix product, so that ties
are ties on every machine.

Shorthand in this module: e gallery entries (images, repeats included) of one query, L detections in
its gallery, T detections that are kept, I images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .boxes import offsets, ranges
from .detections import Detections, Queries
from .protocol import SearchProtocol

_CELLS = 1 << 25  # similarities held at a time
_TILE = 1024  # detections that are turned to float64 at a time
_HEIGHTS = 16, 512  # fewest and most queries of one product
_DENSE = 0.25  # share of all images in an average gallery from which one large product is faster


@dataclass
class Row:
    """A query and its gallery."""

    query: int
    images: np.ndarray  # (e,) in order; in an open gallery all I images
    starts: np.ndarray  # (e + 1,) where the detections of an entry begin; a hidden one has none
    found: np.ndarray  # (L,) the detections, as rows of Detections
    sims: np.ndarray  # (L,) float32


def gallery_rows(
    protocol: SearchProtocol, people: Detections, queries: Queries, skip_repeated: bool
) -> Iterator[Row]:
    """Go through the queries that have a feature, in order.

    With ``skip_repeated`` an image that a list names again has no detections there.
    """
    listed, num_images = protocol.gallery_images, len(protocol.image_names)
    dense = listed is None or len(listed) > _DENSE * protocol.num_queries * num_images
    everyone, counts = np.arange(len(people.boxes)), np.diff(people.indptr)
    height = int(np.clip(_CELLS // max(len(everyone), 1), *_HEIGHTS))
    for query in range(protocol.num_queries):
        if dense and query % height == 0:
            block = _products(queries.feats[query : query + height], people, everyone)
        if not queries.found[query]:
            continue
        if listed is None:
            images = np.arange(num_images)
            sizes = np.where(protocol.hidden(query), 0, counts)
        else:
            images = protocol.gallery(query)
            sizes = counts[images]
            if skip_repeated:
                first = np.unique(images, return_index=True)[1]
                sizes[np.delete(np.arange(len(images)), first)] = 0
        found = ranges(people.indptr[images], sizes)
        if dense:
            sims = block[query % height][found]
        else:
            [sims] = _products(queries.feats[[query]], people, found)
        yield Row(query, images, offsets(sizes), found, sims)


def _products(feats: np.ndarray, people: Detections, found: np.ndarray) -> np.ndarray:
    """Similarities of (B, D) unit features to the detections ``found`` (L,): (B, L) float32."""
    sims = np.empty((len(feats), len(found)), np.float32)
    for start in range(0, len(found), _TILE):
        part = found[start : start + _TILE]
        sims[:, start : start + _TILE] = (
            feats @ people.feats[part].astype(np.float64).T * people.scale[part]
        )
    return sims
