"""Context bipartite graph matching (Li and Miao, "Sequential End-to-end Network", AAAI 2021).

The people of the query's scene are matched with those of a gallery scene so that the sum of
similarities is largest (Kuhn-Munkres); that sum replaces the similarity of the detection that the
query is matched with.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .gallery import Queries
from .similarity import Layout


class ContextMatching:
    """Re-ranking of one query's similarities.

    The query's scene gives the query and the k2 - 1 most confident other detections (its own
    detection is left out: the nearest one, where it was used as the query or overlaps the query box
    by half). A gallery scene gives all its detections. Scenes are ordered by their most similar
    detection; repeats of an image are one scene.

    Args:
        k1: number of gallery scenes to match (10 on CUHK-SYSU, 30 on PRW).
        k2: number of people of the query's scene (3 and 4).
        layout: the galleries.
        queries: features of the queries.
        kept: I arrays (n_i,) bool, which detections of an image are kept.
        own_used: whether the query's feature is that of its nearest detection.
    """

    def __init__(
        self,
        settings: Mapping[str, int],
        layout: Layout,
        queries: Queries,
        kept: list[np.ndarray],
        own_used: bool,
    ) -> None:
        self.k1, self.k2 = settings['k1'], settings['k2']
        self.layout, self.queries = layout, queries
        self.protocol, self.gallery = layout.protocol, layout.gallery
        self.kept, self.own_used = kept, own_used

    def _people(self, query: int) -> np.ndarray:
        """Unit features of the query and of the people around it, (<= k2, D)."""
        image = self.protocol.query_images[query]
        rows = np.arange(self.gallery.indptr[image], self.gallery.indptr[image + 1])
        nearest = self.queries.nearest[query]
        if nearest >= 0 and (self.own_used or self.queries.overlap[query] >= 0.5):
            rows = rows[np.flatnonzero(self.kept[image]) != nearest]
        confident = np.argsort(-self.gallery.boxes[rows, 4], kind='stable')[: self.k2 - 1]
        rows = rows[confident]
        feats = self.gallery.feats[rows].astype(np.float64)
        norms = np.linalg.norm(feats, axis=1, keepdims=True)
        feats = np.divide(feats, norms, out=np.zeros_like(feats), where=norms > 0)
        return np.concatenate([self.queries.feats[query][None], feats])

    def apply(self, query: int, sims: np.ndarray) -> None:
        """Replace similarities of the query's row (L,) in place."""
        from scipy.optimize import linear_sum_assignment

        people = self._people(query)
        starts, images = self.layout.entries(query)
        filled = np.flatnonzero(np.diff(starts))
        for image in self._best_scenes(sims, starts[filled], images[filled]):
            rows = slice(self.gallery.indptr[image], self.gallery.indptr[image + 1])
            columns = self.gallery.feats[rows].astype(np.float64) * self.gallery.scale[rows, None]
            graph = (people @ columns.T).astype(np.float32).astype(np.float64)
            left, right = linear_sum_assignment(graph, maximize=True)
            if left[0] == 0:
                places = starts[filled[images[filled] == image]] + right[0]
                sims[places] = graph[left, right].sum()

    def _best_scenes(self, sims: np.ndarray, starts: np.ndarray, images: np.ndarray) -> list[int]:
        """The k1 images with the most similar detections, best first."""
        if len(starts) == 0:
            return []
        best = np.maximum.reduceat(sims, starts)
        order = np.argsort(-best, kind='stable')
        images = images[order[: np.count_nonzero(best > -np.inf)]]
        first = np.sort(np.unique(images, return_index=True)[1])
        return images[first[: self.k1]].tolist()
