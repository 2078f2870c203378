"""Random protocols and detections, and the three-image case that is worked out by hand."""

import numpy as np

from mmdet_ps.core.evaluation import SearchProtocol
from mmdet_ps.core.evaluation.protocol import People

DIM = 6


def random_box(rng, low=8, high=60):
    x, y = rng.integers(0, 60, 2)
    w, h = rng.integers(low, high, 2)
    return np.array([x, y, x + w, y + h])


def random_detections(rng, num_images, most, tied):
    """Boxes and features of each image.

    Where ``tied`` is not None, features are of a handful of directions, but for so much.
    """
    palette = rng.normal(size=(4, DIM))
    bboxes, feats = [], []
    for _ in range(num_images):
        n = int(rng.integers(0, most + 1))
        boxes = np.array([[*random_box(rng), 0] for _ in range(n)], np.float32).reshape(n, 5)
        boxes[:, :4] += rng.choice([0.0, 0.25, 0.5])
        boxes[:, 4] = np.sort(rng.choice([0.1, 0.2, 0.5, 0.9, 1.0], n))[::-1]
        rows = rng.normal(size=(n, DIM))
        if tied is not None:
            rows = palette[rng.integers(0, 4, n)] + tied * rows
        bboxes.append(boxes)
        feats.append((rows * rng.uniform(0.5, 2, (n, 1))).astype(np.float32))
    return bboxes, feats


def listed_protocol(rng, num_images, num_queries, length):
    """Galleries with repeats, the query's own image now and then, several ground truths."""
    images, places, boxes, counts = [], [], [], []
    for _ in range(num_queries):
        images.append(rng.integers(0, num_images, rng.integers(1, length + 1)))
        found = np.flatnonzero(rng.random(len(images[-1])) < 0.4)
        places.append(found)
        counts.append(len(found))
        boxes.extend(random_box(rng) for _ in found)
    return SearchProtocol(
        'random',
        [f'{i}.jpg' for i in range(num_images)],
        rng.integers(0, num_images, num_queries),
        np.array([random_box(rng) for _ in range(num_queries)]),
        np.arange(num_queries),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate(places),
        np.array(boxes).reshape(-1, 4),
        np.concatenate([[0], np.cumsum([len(part) for part in images])]),
        np.concatenate(images),
    )


def open_protocol(rng, num_images, num_queries, cameras):
    queries = rng.integers(0, num_images, num_queries)
    cams = rng.integers(0, 3, num_images)
    places, boxes, counts = [], [], []
    for query in queries:
        allowed = np.arange(num_images) != query
        if cameras != 'all':
            allowed &= (cams == cams[query]) == (cameras == 'same')
        found = np.flatnonzero(allowed & (rng.random(num_images) < 0.5))
        places.append(found)
        counts.append(len(found))
        boxes.extend(random_box(rng) for _ in found)
    return SearchProtocol(
        cameras,
        [f'{i}.jpg' for i in range(num_images)],
        queries,
        np.array([random_box(rng) for _ in range(num_queries)]),
        np.arange(num_queries),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate(places),
        np.array(boxes).reshape(-1, 4),
        cameras=cameras,
        image_cams=cams,
    )


def random_protocol(rng, kind, num_images, num_queries, length):
    if kind == 'listed':
        return listed_protocol(rng, num_images, num_queries, length)
    return open_protocol(rng, num_images, num_queries, kind)


NAMES = ['a.jpg', 'b.jpg', 'c.jpg']


def three_images():
    """The query is in a.jpg; b.jpg and c.jpg hold the person.

    Similarities of those kept: b 1.0 (wrong), b 0.8 (right), c 0.6 (wrong), c 0.28 (right).
    """
    people = People(
        np.array([0, 1, 2]),
        np.array([7, 7, 7]),
        np.array([[10, 10, 50, 110], [20, 20, 60, 120], [0, 0, 40, 100]], np.int32),
    )
    protocol = SearchProtocol.from_people(NAMES, [(0, 7, people.boxes[0])], people)
    near, low = [1, 0, 41, 100, 0.2], [0, 0, 40, 100, 0.19]
    bboxes = [
        np.array([[10, 10, 50, 110, 0.1], [300, 10, 340, 110, 0.9]], np.float32),
        np.array([[20, 20, 60, 120, 0.9], [200, 20, 240, 120, 0.8]], np.float32),
        np.array([[90, 0, 130, 100, 0.9], near, low], np.float32),
    ]
    feats = [
        np.array([[2, 0], [0, 3]], np.float32),
        np.array([[0.8, 0.6], [5, 0]], np.float32),
        np.array([[0.6, 0.8], [0.28, 0.96], [1, 0]], np.float32),
    ]
    return protocol, bboxes, feats
