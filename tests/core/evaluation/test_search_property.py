"""The fast metric against plain loops with scikit-learn, on random protocols and detections."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_eval import reference_search

from mmdet_ps.core.evaluation import SearchProtocol, evaluate_search, similarity

DIM = 6


def random_box(rng, low=8, high=60):
    x, y = rng.integers(0, 60, 2)
    w, h = rng.integers(low, high, 2)
    return np.array([x, y, x + w, y + h])


def random_detections(rng, num_images, most, tied):
    """Boxes and features of each image; features from a handful of directions when ``tied``."""
    palette = rng.normal(size=(4, DIM))
    bboxes, feats = [], []
    for _ in range(num_images):
        n = int(rng.integers(0, most + 1))
        boxes = np.array([[*random_box(rng), 0] for _ in range(n)], np.float32).reshape(n, 5)
        boxes[:, :4] += rng.choice([0.0, 0.25, 0.5])
        boxes[:, 4] = np.sort(rng.choice([0.1, 0.2, 0.5, 0.9, 1.0], n))[::-1]
        rows = palette[rng.integers(0, 4, n)] if tied else rng.normal(size=(n, DIM))
        bboxes.append(boxes)
        feats.append((rows * rng.uniform(0.5, 2, (n, 1))).astype(np.float32))
    return bboxes, feats


def listed_protocol(rng, num_images, num_queries, length):
    """Galleries with repeats, the query's own image now and then, several ground truths."""
    images, places, boxes, counts = [], [], [], []
    for _ in range(num_queries):
        images.append(rng.integers(0, num_images, length))
        found = np.flatnonzero(rng.random(length) < 0.4)
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
        np.arange(num_queries + 1) * length,
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


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_images=st.integers(1, 12),
    num_queries=st.integers(1, 6),
    length=st.integers(1, 15),
    most=st.sampled_from([0, 1, 4, 9]),
    tied=st.booleans(),
    kind=st.sampled_from(['listed', 'all', 'cross', 'same']),
    dense=st.booleans(),
    class_weighted=st.booleans(),
    skip_repeated=st.booleans(),
    given_queries=st.booleans(),
)
def test_equals_plain_loops(
    seed, num_images, num_queries, length, most, tied, kind, dense, class_weighted, skip_repeated,
    given_queries,
):  # fmt: skip
    rng = np.random.default_rng(seed)
    if kind == 'listed':
        protocol = listed_protocol(rng, num_images, num_queries, length)
    else:
        protocol = open_protocol(rng, num_images, num_queries, kind)
    bboxes, feats = random_detections(rng, num_images, most, tied)
    order = rng.permutation(num_images)
    names = [protocol.image_names[i] for i in order]
    bboxes, feats = [bboxes[i] for i in order], [feats[i] for i in order]
    query_feats = rng.normal(size=(num_queries, DIM)) if given_queries else None
    options = dict(class_weighted=class_weighted, skip_repeated=skip_repeated)
    slow = reference_search(protocol, names, bboxes, feats, 0.2, query_feats=query_feats, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, '_DENSE', 0.0 if dense else 2.0)
        patch.setattr(similarity, '_CELLS', 40)
        fast = evaluate_search(
            protocol, names, bboxes, feats, 0.2,
            query_feature='gt_box' if given_queries else 'nearest',
            query_feats=query_feats, return_details=True, **options,
        )  # fmt: skip
    details = fast.pop('details')
    np.testing.assert_allclose(details.ap, slow.pop('aps'), atol=1e-9, rtol=0)
    assert fast == pytest.approx(slow, abs=1e-9)
