"""Similarities between queries and the detections of their galleries.

A similarity is the dot product of L2-normalised features, summed in float64 and rounded to float32:
equal features then have equal similarities wherever they stand in a matrix product, so that ties
are ties on every machine.

Shorthand in this module: e gallery entries (images, repeats included) of one query, B queries in a
block, L detections in the largest gallery of a block, T detections that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .boxes import offsets, ranges
from .gallery import Gallery, Queries
from .protocol import SearchProtocol

_CELLS = 1 << 25  # similarities held at a time
_TILE = 1024  # detections that are turned to float64 at a time
_DENSE = 0.25  # share of all images in an average gallery from which one large product is faster


@dataclass
class Block:
    """Similarities of consecutive queries.

    Attributes:
        first: number of the first query.
        sims: (B, L) float32; a row is a gallery in order, -inf where it ends or hides an image.
        error: bound of the difference to the similarity as defined above; 0 where it is that.
    """

    first: int
    sims: np.ndarray
    error: float = 0.0


class Layout:
    """Where the detections of each gallery stand in the rows of the blocks.

    Args:
        protocol: its galleries.
        gallery: the detections that are kept.
        skip_repeated: give an image that a list names again no detections.
    """

    def __init__(self, protocol: SearchProtocol, gallery: Gallery, skip_repeated: bool) -> None:
        self.protocol, self.gallery = protocol, gallery
        if protocol.gallery_images is None or protocol.gallery_indptr is None:
            self._images: np.ndarray = np.arange(len(protocol.image_names))
            self._ends: np.ndarray | None = None
            self.starts = gallery.indptr
            return
        self._images, self._ends = protocol.gallery_images, protocol.gallery_indptr
        counts = gallery.counts[protocol.gallery_images]
        if skip_repeated:
            counts[_repeated(protocol)] = 0
        self.starts = offsets(counts)

    def entries(self, query: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns (e + 1,) at which the query's entries begin, and their images (e,)."""
        if self._ends is None:
            return self.starts, self._images
        first, last = self._ends[query], self._ends[query + 1]
        return self.starts[first : last + 1] - self.starts[first], self._images[first:last]

    def detections(self, queries: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Which kept detections stand in the cells (query, column) of listed galleries."""
        assert self._ends is not None
        cells = self.starts[self._ends[queries]] + columns
        entries = np.searchsorted(self.starts, cells, side='right') - 1
        return self.gallery.indptr[self._images[entries]] + cells - self.starts[entries]

    def truths(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images of all ground truths, their first columns, and how many detections are there."""
        places = self.protocol.gt_places
        if self._ends is None:
            return places, self.starts[places], np.diff(self.starts)[places]
        owner = np.repeat(np.arange(self.protocol.num_queries), np.diff(self.protocol.gt_indptr))
        rows = self._ends[owner] + places
        columns = self.starts[rows] - self.starts[self._ends[owner]]
        return self._images[rows], columns, self.starts[rows + 1] - self.starts[rows]


def _repeated(protocol: SearchProtocol) -> np.ndarray:
    """(E,) bool: entries of listed galleries whose image stood in the same list before."""
    assert protocol.gallery_images is not None and protocol.gallery_indptr is not None
    owner = np.repeat(np.arange(protocol.num_queries), np.diff(protocol.gallery_indptr))
    key = owner * len(protocol.image_names) + protocol.gallery_images
    repeated = np.ones(len(key), bool)
    repeated[np.unique(key, return_index=True)[1]] = False
    return repeated


def similarity_blocks(layout: Layout, queries: Queries, exact: bool) -> Iterator[Block]:
    """Go through the queries in order, a block at a time; the next block may reuse the memory.

    Args:
        layout: the galleries.
        queries: what is searched.
        exact: give no approximate similarities.
    """
    protocol = layout.protocol
    if protocol.gallery_images is None or protocol.gallery_indptr is None:
        for block in _all_products(layout.gallery, queries):
            _hide(block, layout)
            yield block
        return
    cells = protocol.num_queries * len(protocol.image_names)
    if len(protocol.gallery_images) <= _DENSE * cells:
        error = 0.0 if exact else _float32_error(layout.gallery)
        yield from _listed_products(layout, queries, protocol.gallery_indptr, error)
        return
    for block in _all_products(layout.gallery, queries):
        yield _pick(block, layout)


def _float32_error(gallery: Gallery) -> float:
    """Bound of the error of similarities that are summed in float32; 0 where there is no good one.

    Each of the D products and sums is off by 2^-24 of the norms' product at most, whatever the
    order of the sum, and so are the rounded query, scale and result.
    """
    used = gallery.scale[gallery.scale != 0]
    if gallery.feats.dtype != np.float32 or len(used) == 0:
        return 0.0
    if np.abs(used).min() < 1e-15 or np.abs(used).max() > 1e15:
        return 0.0
    return (gallery.feats.shape[1] + 8) * 2.0**-24 * max(1.0, float(gallery.boxes[:, 4].max()))


def sharpen(
    block: Block, layout: Layout, queries: Queries, rows: np.ndarray, columns: np.ndarray
) -> None:
    """Replace the cells (row, column) of an approximate block by the similarities as defined."""
    for start in range(0, len(rows), _TILE):
        part = slice(start, start + _TILE)
        found = layout.detections(rows[part] + block.first, columns[part])
        feats = layout.gallery.feats[found].astype(np.float64)
        feats *= layout.gallery.scale[found, None]
        asked = queries.feats[rows[part] + block.first]
        block.sims[rows[part], columns[part]] = np.einsum('ij,ij->i', asked, feats)


def _all_products(gallery: Gallery, queries: Queries) -> Iterator[Block]:
    """Similarities to all T detections, in the order of the protocol's images."""
    total, num = len(gallery.boxes), len(queries.feats)
    height = min(int(np.clip(_CELLS // max(total, 1), 16, 512)), num)
    sims = np.empty((height, total), np.float32)
    tile = np.empty((height, _TILE))
    for first in range(0, num, height):
        rows = queries.feats[first : first + height]
        for start in range(0, total, _TILE):
            part = slice(start, start + _TILE)
            columns = gallery.feats[part].astype(np.float64)
            columns *= gallery.scale[part, None]
            out = tile[: len(rows), : len(columns)]
            sims[: len(rows), part] = np.matmul(rows, columns.T, out=out)
        yield Block(first, sims[: len(rows)])


def _hide(block: Block, layout: Layout) -> None:
    """Take the images out of the rows that are not in the open gallery of the query."""
    protocol, starts = layout.protocol, layout.starts
    for query, sims in enumerate(block.sims, block.first):
        if protocol.cameras == 'all':
            own = protocol.query_images[query]
            sims[starts[own] : starts[own + 1]] = -np.inf
        else:
            sims[np.repeat(protocol.hidden(query), np.diff(starts))] = -np.inf


def _pick(block: Block, layout: Layout) -> Block:
    """Bring the detections of listed galleries into the order of the lists."""
    rows = []
    for query, sims in enumerate(block.sims, block.first):
        starts, images = layout.entries(query)
        rows.append(sims[ranges(layout.gallery.indptr[images], np.diff(starts))])
    length = max(len(row) for row in rows)
    picked = np.full((len(rows), length), -np.inf, np.float32)
    for place, row in zip(picked, rows, strict=True):
        place[: len(row)] = row
    return Block(block.first, picked)


def _listed_products(
    layout: Layout, queries: Queries, ends: np.ndarray, error: float
) -> Iterator[Block]:
    """Only the products that the lists ask for: of an image with the queries that list it."""
    listed = layout.protocol.gallery_images
    assert listed is not None
    gallery, feats = layout.gallery, queries.feats
    if error:
        feats = feats.astype(np.float32)
    limits = layout.starts[ends]
    lengths = np.diff(limits)
    first = 0
    while first < len(lengths):
        height = max(_CELLS // max(int(lengths[first:].max()), 1), 1)
        last = min(first + height, len(lengths))
        length = int(lengths[first:last].max())
        owner = np.repeat(np.arange(first, last), np.diff(ends[first : last + 1]))
        starts = layout.starts[ends[first] : ends[last] + 1]
        cells = starts[:-1] - limits[owner] + (owner - first) * length
        sims = np.full((last - first, length), -np.inf, np.float32)
        images = listed[ends[first] : ends[last]]
        _fill(sims.reshape(-1), images, owner, np.diff(starts), cells, gallery, feats)
        yield Block(first, sims, error)
        first = last


def _fill(
    flat: np.ndarray,
    images: np.ndarray,
    owner: np.ndarray,
    counts: np.ndarray,
    cells: np.ndarray,
    gallery: Gallery,
    feats: np.ndarray,
) -> None:
    """Write the products of each entry's query and image to ``flat``, from cell ``cells`` on.

    The products have the precision of ``feats``, the (Q, D) features of all queries.
    """
    filled = np.flatnonzero(counts)
    if len(filled) == 0:
        return
    # Sixteen bits are sorted by counting.
    keys = images[filled].astype(np.min_scalar_type(len(gallery.indptr)))
    order = filled[np.argsort(keys, kind='stable')]
    images, owner, counts, cells = images[order], owner[order], counts[order], cells[order]
    products = np.empty(int(counts.sum()), feats.dtype)
    scale = gallery.scale.astype(feats.dtype)
    sizes = counts.tolist()
    edges = [*np.flatnonzero(np.diff(images, prepend=-1)).tolist(), len(images)]
    done = 0
    lefts = gallery.indptr[images[edges[:-1]]].tolist()
    for begin, end, left in zip(edges[:-1], edges[1:], lefts, strict=True):
        right = left + sizes[begin]
        columns = gallery.feats[left:right].astype(feats.dtype, copy=False)
        size = (end - begin) * (right - left)
        out = products[done : done + size].reshape(end - begin, right - left)
        np.matmul(feats[owner[begin:end]], columns.T, out=out)
        out *= scale[left:right]
        done += size
    flat[ranges(cells, counts)] = products
