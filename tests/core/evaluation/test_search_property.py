"""The fast metric against plain loops with scikit-learn, on random protocols and detections."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from mmdet_ps.core.evaluation import evaluate_search, similarity

from .cases import DIM, random_detections, random_protocol
from .reference import average_precision, nearest_detection, reference_search, unit_rows

KINDS = st.sampled_from(['listed', 'all', 'cross', 'same'])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1))
def test_the_loops_have_the_precision_of_scikit_learn(pairs):
    labels, scores = np.array(pairs + [(True, 3)]).T
    expected = average_precision_score(labels, scores)
    assert average_precision(labels, scores.astype(float)) == pytest.approx(expected, abs=1e-12)


def shuffled(rng, protocol, bboxes, feats):
    """The results in another order than the protocol's images."""
    order = rng.permutation(len(bboxes))
    names = [protocol.image_names[i] for i in order]
    return names, [bboxes[i] for i in order], [feats[i] for i in order]


def compare(protocol, results, slow, limits, **options):
    """Check numbers and per-query AP, with the limits that choose between code paths."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in limits:
            patch.setattr(module, name, value)
        fast = evaluate_search(protocol, *results, 0.2, return_details=True, **options)
        assert evaluate_search(protocol, *results, 0.2, **options) == {
            key: fast[key] for key in ('mAP', 'top1', 'top5', 'top10')
        }
    details = fast.pop('details')
    np.testing.assert_allclose(details.ap, slow.pop('aps'), atol=1e-9, rtol=0)
    for query, best in enumerate(slow.pop('best')):
        n = int((details.top_images[query] >= 0).sum())
        np.testing.assert_allclose(details.top_sims[query, :n], best, atol=1e-6, rtol=0)
    assert fast == pytest.approx(slow, abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_images=st.integers(1, 12),
    num_queries=st.integers(1, 6),
    length=st.integers(1, 15),
    most=st.sampled_from([0, 1, 4, 9]),
    tied=st.sampled_from([None, 0.0, 1e-7, 1e-5]),
    kind=KINDS,
    dense=st.booleans(),
    small=st.booleans(),
    class_weighted=st.booleans(),
    skip_repeated=st.booleans(),
    given_queries=st.booleans(),
)
def test_equals_plain_loops(
    seed, num_images, num_queries, length, most, tied, kind, dense, small, class_weighted,
    skip_repeated, given_queries,
):  # fmt: skip
    rng = np.random.default_rng(seed)
    protocol = random_protocol(rng, kind, num_images, num_queries, length)
    results = shuffled(rng, protocol, *random_detections(rng, num_images, most, tied))
    query_feats = rng.normal(size=(num_queries, DIM)) if given_queries else None
    options = dict(class_weighted=class_weighted, skip_repeated=skip_repeated)
    slow = reference_search(protocol, *results, 0.2, query_feats=query_feats, **options)
    limits = [(similarity, '_DENSE', 0.0 if dense else 2.0)]
    if small:
        limits += [(similarity, '_CELLS', 40), (similarity, '_TILE', 3)]
        limits += [(similarity, '_HEIGHTS', (1, 4))]
    feature = 'gt_box' if given_queries else 'nearest'
    compare(
        protocol, results, slow, limits, query_feature=feature, query_feats=query_feats, **options
    )


def best_matching(graph):
    """Largest total of a matching and the column of row 0 (None where it stays alone)."""
    rows, columns = graph.shape
    best, partner = -np.inf, None
    if rows <= columns:
        for chosen in permutations(range(columns), rows):
            total = sum(graph[i, j] for i, j in enumerate(chosen))
            if total > best:
                best, partner = total, chosen[0]
    else:
        for chosen in permutations(range(rows), columns):
            total = sum(graph[i, j] for j, i in enumerate(chosen))
            if total > best:
                best, partner = total, chosen.index(0) if 0 in chosen else None
    return best, partner


def context_reranking(protocol, results, k1, k2):
    """CBGM by trying every matching."""
    people = {name: (boxes, unit_rows(rows)) for name, boxes, rows in zip(*results, strict=True)}

    def rerank(q, query, sims):
        boxes, rows = people[protocol.image_names[protocol.query_images[q]]]
        own = nearest_detection(boxes, protocol.query_boxes[q].tolist())
        around = [i for i in range(len(boxes)) if i != own and boxes[i, 4] >= 0.2]
        around.sort(key=lambda i: -boxes[i, 4])
        scene = np.stack([query, *rows[around[: k2 - 1]]])
        filled = [image for image, sim in sims.items() if len(sim)]
        for image in sorted(filled, key=lambda image: -sims[image].max())[:k1]:
            boxes, rows = people[protocol.image_names[image]]
            graph = (scene @ rows[boxes[:, 4] >= 0.2].T).astype(np.float32).astype(np.float64)
            total, partner = best_matching(graph)
            if partner is not None:
                sims[image][partner] = total

    return rerank


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_images=st.integers(1, 8),
    kind=KINDS,
    most=st.integers(1, 4),
    k1=st.integers(1, 5),
    k2=st.integers(1, 4),
)
def test_context_matching_equals_all_matchings(seed, num_images, kind, most, k1, k2):
    rng = np.random.default_rng(seed)
    protocol = random_protocol(rng, kind, num_images, 4, 8)
    results = shuffled(rng, protocol, *random_detections(rng, num_images, most, tied=None))
    rerank = context_reranking(protocol, results, k1, k2)
    slow = reference_search(protocol, *results, 0.2, rerank=rerank)
    compare(protocol, results, slow, [], cbgm=dict(k1=k1, k2=k2))


@pytest.mark.parametrize('dense', [0.0, 2.0])
def test_equal_features_have_equal_similarities_wherever_they_stand(dense, monkeypatch):
    monkeypatch.setattr(similarity, '_DENSE', dense)
    rng = np.random.default_rng(0)
    protocol = random_protocol(rng, 'listed', 40, 12, 40)
    bboxes, _ = random_detections(rng, 40, 90, tied=None)
    feature = rng.normal(size=257).astype(np.float32)
    feats = [np.tile(feature, (len(boxes), 1)) for boxes in bboxes]
    query_feats = rng.normal(size=(12, 257))
    found = evaluate_search(
        protocol, protocol.image_names, bboxes, feats, query_feature='gt_box',
        query_feats=query_feats, return_details=True,
    )['details']  # fmt: skip
    kept = [np.count_nonzero(boxes[:, 4] >= 0.2) for boxes in bboxes]
    sizes = [sum(kept[image] for image in protocol.gallery(query)) for query in range(12)]
    # All tied: every place holds the share of right ones among all, and ranks keep the order.
    for query, size in enumerate(sizes):
        ranks = found.gt_ranks[protocol.gt_indptr[query] : protocol.gt_indptr[query + 1]]
        hits = np.count_nonzero(ranks >= 0)
        assert found.ap[query] == pytest.approx(hits / size * hits / max(len(ranks), 1), abs=1e-12)
        assert np.all(np.diff(ranks[ranks >= 0]) > 0)
        assert len(set(found.top_sims[query, :size].tolist())) == 1


@pytest.mark.parametrize('kind', ['listed', 'all', 'same'])
def test_few_similarities_are_held_at_a_time(kind, monkeypatch):
    rng = np.random.default_rng(1)
    protocol = random_protocol(rng, kind, 12, 30, 12)
    results = protocol.image_names, *random_detections(rng, 12, 6, tied=None)
    expected = evaluate_search(protocol, *results)
    sizes = []

    def products(feats, people, found):
        sizes.append(len(feats) * len(found))
        return _products(feats, people, found)

    _products = similarity._products
    monkeypatch.setattr(similarity, '_products', products)
    for cells in (100, 400):
        monkeypatch.setattr(similarity, '_CELLS', cells)
        monkeypatch.setattr(similarity, '_HEIGHTS', (1, 512))
        sizes.clear()
        assert evaluate_search(protocol, *results) == expected
        assert cells / 3 < max(sizes) <= cells
    monkeypatch.setattr(similarity, '_HEIGHTS', (1, 2))
    sizes.clear()
    assert evaluate_search(protocol, *results) == expected and len(sizes) == 15


@pytest.mark.parametrize('seed', range(4))
def test_similarities_that_float32_cannot_order(seed):
    """Features of three directions, apart by about the rounding error of a float32 product."""
    rng = np.random.default_rng(seed)
    protocol = random_protocol(rng, 'listed', 30, 20, 30)
    bboxes, _ = random_detections(rng, 30, 9, tied=None)
    palette = rng.normal(size=(3, 64))
    feats = [
        (palette[rng.integers(0, 3, len(boxes))] + 1e-7 * rng.normal(size=(len(boxes), 64))).astype(
            np.float32
        )
        for boxes in bboxes
    ]
    results = protocol.image_names, bboxes, feats
    slow = reference_search(protocol, *results, 0.2)
    compare(protocol, results, slow, [(similarity, '_DENSE', 2.0)])
    compare(protocol, results, reference_search(protocol, *results), [(similarity, '_DENSE', 0.0)])


@pytest.mark.parametrize('factor', [1e-30, 1e-18, 1e18, 3e37])
def test_features_of_extreme_length(factor, monkeypatch):
    monkeypatch.setattr(similarity, '_DENSE', 2.0)
    rng = np.random.default_rng(0)
    protocol = random_protocol(rng, 'listed', 12, 8, 10)
    bboxes, feats = random_detections(rng, 12, 9, tied=None)
    expected = evaluate_search(protocol, protocol.image_names, bboxes, feats)
    scaled = [rows * np.float32(factor) for rows in feats]
    assert evaluate_search(protocol, protocol.image_names, bboxes, scaled) == expected
