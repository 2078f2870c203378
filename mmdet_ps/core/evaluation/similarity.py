"""Similarities between queries and the detections of their galleries.

A similarity is the dot product of L2-normalised features, summed in float64 and rounded to float32:
equal features then have equal similarities wherever they stand in a matrix product, so that ties
are ties on every machine.

Shorthand in this module: e gallery entries (images, repeats included) of one query, n detections in
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .boxes import offsets, ranges
from .gallery import Gallery, Queries
from .protocol import SearchProtocol

_CELLS = 1 << 25  # similarities held at a time: 128 MiB of float32
_TILE = 4096  # detections that are turned to float64 at a time
_DENSE = 0.25  # share of all images in an average gallery from which one large product is faster


@dataclass
class Row:
    """The gallery of one query.

    Attributes:
        query: its number.
        sims: (n,) float32, in the order of the gallery; -inf for detections that an open gallery
            hides.
        starts: (e + 1,) where the detections of each entry begin in ``sims``.
        images: (e,) image of each entry.
    """

    query: int
    sims: np.ndarray
    starts: np.ndarray
    images: np.ndarray


def gallery_rows(
    protocol: SearchProtocol, gallery: Gallery, queries: Queries, skip_repeated: bool
) -> Iterator[Row]:
    """Go through the queries in order and give each one's similarities."""
    if protocol.gallery_images is None or protocol.gallery_indptr is None:
        yield from _open_rows(protocol, gallery, queries)
        return
    entries = len(protocol.gallery_images)
    counts = gallery.counts[protocol.gallery_images]
    if skip_repeated:
        counts[repeated_entries(protocol)] = 0
    starts = offsets(counts)
    dense = entries > _DENSE * protocol.num_queries * len(protocol.image_names)
    parts = _dense_parts if dense else _sparse_parts
    for query, sims in parts(protocol, gallery, queries, counts, starts):
        span = slice(protocol.gallery_indptr[query], protocol.gallery_indptr[query + 1])
        first, last = protocol.gallery_indptr[query], protocol.gallery_indptr[query + 1]
        yield Row(
            query, sims, starts[first : last + 1] - starts[first], protocol.gallery_images[span]
        )


def repeated_entries(protocol: SearchProtocol) -> np.ndarray:
    """(E,) bool: entries of listed galleries whose image stood in the same list before."""
    assert protocol.gallery_images is not None and protocol.gallery_indptr is not None
    owner = np.repeat(np.arange(protocol.num_queries), np.diff(protocol.gallery_indptr))
    key = owner * len(protocol.image_names) + protocol.gallery_images
    repeated = np.ones(len(key), bool)
    repeated[np.unique(key, return_index=True)[1]] = False
    return repeated


def _blocks(gallery: Gallery, queries: Queries) -> Iterator[tuple[int, np.ndarray]]:
    """Similarities of a block of queries to all detections: first query, (block, T) float32."""
    total = len(gallery.boxes)
    height = int(np.clip(_CELLS // max(total, 1), 16, 512))
    sims = np.empty((min(height, len(queries.feats)), total), np.float32)
    for first in range(0, len(queries.feats), height):
        rows = queries.feats[first : first + height]
        for start in range(0, total, _TILE):
            part = slice(start, start + _TILE)
            columns = gallery.feats[part].astype(np.float64) * gallery.scale[part, None]
            sims[: len(rows), part] = rows @ columns.T
        yield first, sims[: len(rows)]


def _open_rows(protocol: SearchProtocol, gallery: Gallery, queries: Queries) -> Iterator[Row]:
    images = np.arange(len(protocol.image_names))
    for first, block in _blocks(gallery, queries):
        for query, sims in enumerate(block, first):
            if protocol.cameras == 'all':
                own = protocol.query_images[query]
                sims[gallery.indptr[own] : gallery.indptr[own + 1]] = -np.inf
            else:
                sims[np.repeat(protocol.hidden(query), gallery.counts)] = -np.inf
            yield Row(query, sims, gallery.indptr, images)


def _dense_parts(
    protocol: SearchProtocol,
    gallery: Gallery,
    queries: Queries,
    counts: np.ndarray,
    starts: np.ndarray,
) -> Iterator[tuple[int, np.ndarray]]:
    assert protocol.gallery_indptr is not None and protocol.gallery_images is not None
    for first, block in _blocks(gallery, queries):
        for query, sims in enumerate(block, first):
            span = slice(protocol.gallery_indptr[query], protocol.gallery_indptr[query + 1])
            begins = gallery.indptr[protocol.gallery_images[span]]
            yield query, sims[ranges(begins, counts[span])]


def _sparse_parts(
    protocol: SearchProtocol,
    gallery: Gallery,
    queries: Queries,
    counts: np.ndarray,
    starts: np.ndarray,
) -> Iterator[tuple[int, np.ndarray]]:
    """One small product an image, with the queries that have the image in their gallery."""
    assert protocol.gallery_indptr is not None and protocol.gallery_images is not None
    ends = starts[protocol.gallery_indptr]
    first = 0
    while first < protocol.num_queries:
        last = int(np.searchsorted(ends, ends[first] + _CELLS, side='right')) - 1
        last = min(max(last, first + 1), protocol.num_queries)
        span = slice(protocol.gallery_indptr[first], protocol.gallery_indptr[last])
        owner = np.repeat(
            np.arange(first, last), np.diff(protocol.gallery_indptr[first : last + 1])
        )
        sims = _by_image(
            protocol.gallery_images[span],
            owner,
            counts[span],
            starts[span] - ends[first],
            gallery,
            queries,
        )
        for query in range(first, last):
            yield query, sims[ends[query] - ends[first] : ends[query + 1] - ends[first]]
        first = last


def _by_image(
    images: np.ndarray,
    owner: np.ndarray,
    counts: np.ndarray,
    starts: np.ndarray,
    gallery: Gallery,
    queries: Queries,
) -> np.ndarray:
    sims = np.empty(int(counts.sum()), np.float32)
    order = np.flatnonzero(counts)
    order = order[np.argsort(images[order], kind='stable')]
    owner, starts = owner[order], starts[order]
    present, bounds = np.unique(images[order], return_index=True)
    edges = [*bounds.tolist(), len(order)]
    inner = np.arange(int(counts.max(initial=0)))
    for image, begin, end in zip(present.tolist(), edges[:-1], edges[1:], strict=True):
        part = slice(gallery.indptr[image], gallery.indptr[image + 1])
        columns = gallery.feats[part].astype(np.float64)
        block = queries.feats[owner[begin:end]] @ columns.T
        block *= gallery.scale[part]
        sims[starts[begin:end, None] + inner[: len(columns)]] = block
    return sims
