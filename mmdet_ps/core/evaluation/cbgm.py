"""Context bipartite graph matching (Li and Miao, "Sequential End-to-end Network", AAAI 2021).

The people of the query's scene are matched with those of a gallery scene so that the sum of
similarities is largest (Kuhn-Munkres); that sum replaces the similarity of the detection that the
query is matched with.
"""

from __future__ import annotations

import numpy as np

from .detections import Detections, Queries, unit
from .similarity import Row


def query_scene(
    query: int, image: int, people: Detections, queries: Queries, own_used: bool, k2: int
) -> np.ndarray:
    """Unit features of the query and of the k2 - 1 most confident others around it, (<= k2, D).

    The query's own detection is left out: the nearest one, where it was used as the query or
    overlaps the query box by half.

    Args:
        query: number of the query.
        image: its image.
        people: the detections that are kept.
        queries: features of the queries.
        own_used: whether the query's feature is that of its nearest detection.
        k2: number of people (3 on CUHK-SYSU, 4 on PRW).
    """
    others = people.of_image(image)
    if own_used or queries.overlap[query] >= 0.5:
        others = others[people.places[others] != queries.nearest[query]]
    confident = np.argsort(-people.boxes[others, 4], kind='stable')[: k2 - 1]
    return np.concatenate([queries.feats[[query]], unit(people.feats[others[confident]])])


def match_scenes(row: Row, scene: np.ndarray, people: Detections, k1: int) -> None:
    """Replace similarities of the row in place.

    Scenes are ordered by their most similar detection; repeats of an image are one scene, which
    gives all its detections.

    Args:
        row: the query's gallery.
        scene: (p, D) features of the query and of the people around it.
        people: the detections that are kept.
        k1: number of scenes to match (10 on CUHK-SYSU, 30 on PRW).
    """
    from scipy.optimize import linear_sum_assignment

    filled = np.flatnonzero(np.diff(row.starts))
    images, starts = row.images[filled], row.starts[filled]
    order = np.argsort(-np.maximum.reduceat(row.sims, starts), kind='stable')
    first = np.sort(np.unique(images[order], return_index=True)[1])[:k1]
    for image in images[order[first]]:
        found = people.of_image(image)
        columns = people.feats[found].astype(np.float64) * people.scale[found, None]
        graph = (scene @ columns.T).astype(np.float32).astype(np.float64)
        left, right = linear_sum_assignment(graph, maximize=True)
        if left[0] == 0:
            row.sims[starts[images == image] + right[0]] = graph[left, right].sum()
