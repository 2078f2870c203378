import sys

import numpy as np
import pytest
from matplotlib.markers import MarkerStyle
from threadpoolctl import threadpool_info, threadpool_limits

from mmdet_ps.core.visualization.tsne import (
    BRANCHES,
    People,
    choose_identities,
    draw_embeddings,
    embed,
    identified_people,
    identity_colours,
)


def result(boxes, first, name='a', **feats):
    """Detections with scores; RoI-Align's feature is (first, 0), AlignPS's (0, first)."""
    first = np.array(first, np.float32)
    given = dict(alignps=np.stack([0 * first, first], 1), roi_align=np.stack([first, first], 1))
    return dict(bboxes=np.array(boxes, np.float32), feats=given | feats, img_name=name)


def test_people_are_found_by_their_boxes():
    """By hand: who is on whom, without the nameless, the faint, and a second box of somebody."""
    results = [
        result(
            [
                [100, 0, 120, 40, 0.9],  # on the second person, 4
                [1, 0, 21, 40, 0.8],  # on the first, 7, a pixel off: IoU 19 / 21
                [3, 0, 23, 40, 0.99],  # on her too, less well
                [50, 0, 70, 40, 0.9],  # on somebody without identity
                [300, 0, 320, 40, 0.9],  # on nobody
                [200, 0, 220, 40, 0.1],  # on 9, but faint
            ],
            [3, -2, 1, 1, 1, 1],
        ),
        dict(
            bboxes=np.zeros((0, 5)), feats={n: np.zeros((0, 2)) for n in ('alignps', 'roi_align')}
        ),
        result(
            [[500, 0, 520, 40, 0.9], [0, 0, 20, 40, 0.5], [200, 0, 219, 40, 0.3]], [-1, 5, -6], 'c'
        ),
    ]
    boxes = np.array([[x, 0, x + 20, 40] for x in (0, 100, 50, 200)], np.float32)
    truths = [
        dict(bboxes=boxes, pids=np.array([7, 4, -1, 9])),
        dict(bboxes=boxes[:1], pids=np.array([7])),
        dict(bboxes=boxes[[0, 3]], pids=np.array([4, 9])),
    ]
    people = identified_people(results, ['a', 'b', 'c'], truths, score_thr=0.2)
    assert people.pids.tolist() == [4, 7, 4, 9]
    assert people.feats['alignps'].tolist() == [[0, 1], [0, -1], [0, 1], [0, -1]]
    half = 0.5**0.5
    assert np.allclose(people.feats['roi_align'][:, 0], [half, -half, half, -half])
    assert identified_people(results, ['a', 'b', 'c'], truths).pids.tolist() == [4, 7, 9, 4, 9]
    few = people.of(np.array([7, 9]))
    assert few.pids.tolist() == [7, 9] and few.feats['alignps'].tolist() == [[0, -1], [0, -1]]


def test_results_without_both_branches():
    truths = [dict(bboxes=np.array([[0, 0, 20, 40]]), pids=np.array([1]))]
    one = result([[0, 0, 20, 40, 0.9]], [1])
    del one['feats']['roi_align']
    with pytest.raises(ValueError, match='the features are alignps; .* roi_align and alignps'):
        identified_people([one], ['a'], truths)
    wide = result([[0, 0, 20, 40, 0.9]], [1], roi_align=np.ones((1, 3)))
    with pytest.raises(ValueError, match='one size'):
        identified_people([wide], ['a'], truths)
    with pytest.raises(ValueError, match='another dataset'):
        identified_people([one], ['b'], truths)
    broken = result([[0, 0, 20, 40, 0.9]], [np.nan])
    with pytest.raises(ValueError, match='a: NaN'):
        identified_people([broken], ['a'], truths)


def seen(counts):
    pids = np.repeat(list(counts), list(counts.values()))
    return People(pids, {name: np.zeros((len(pids), 2)) for name in BRANCHES})


def test_identities_are_those_that_every_model_finds():
    first = seen({i: 3 + i % 2 for i in range(40)} | {77: 9, 80: 2})
    second = seen({i: 3 for i in range(5, 45)} | {77: 2, 80: 9})
    chosen = choose_identities([first, second], 12, seed=0)
    assert len(set(chosen.tolist())) == 12 and set(chosen.tolist()) <= set(range(5, 40))
    assert chosen.tolist() == sorted(chosen.tolist())
    assert np.array_equal(chosen, choose_identities([second, first], 12, seed=0))
    assert not np.array_equal(chosen, choose_identities([first, second], 12, seed=1))
    assert choose_identities([first, second], 35, 3).tolist() == list(range(5, 40))
    with pytest.raises(ValueError, match='--identities 0: must be 1 or more'):
        choose_identities([first, second], 0, 0)
    with pytest.raises(ValueError, match='--identities 36: only 35 have 3 detections'):
        choose_identities([first, second], 36, 0)
    with pytest.raises(ValueError, match='--identities 15: only 0'):
        choose_identities([seen({1: 2})], 15, 0)


@pytest.fixture(scope='module')
def clusters():
    """Four identities, six detections each: clear for RoI-Align, without order for AlignPS."""
    rng = np.random.default_rng(0)
    pids = np.repeat([3, 5, 8, 13], 6)
    codes = np.eye(8)[np.repeat(np.arange(4), 6)]
    feats = dict(roi_align=codes, alignps=np.eye(8)[np.full(24, 7)])
    noise = dict(roi_align=0.02, alignps=0.2)
    return People(
        pids, {name: row + noise[name] * rng.normal(size=row.shape) for name, row in feats.items()}
    )


def test_places_are_those_of_the_features(clusters):
    places = embed(clusters, seed=0)
    assert {name: array.shape for name, array in places.items()} == dict.fromkeys(BRANCHES, (24, 2))

    def nearest_is_alike(points):
        away = np.linalg.norm(points[:, None] - points, axis=2) + 1e9 * np.eye(24)
        return (clusters.pids[away.argmin(1)] == clusters.pids).mean()

    assert nearest_is_alike(places['roi_align']) == 1
    assert nearest_is_alike(places['alignps']) < 0.6
    # The branches lie apart, since their features do.
    both = np.concatenate(list(places.values()))
    away = np.linalg.norm(both[:, None] - both, axis=2) + 1e9 * np.eye(48)
    assert ((away.argmin(1) < 24) == (np.arange(48) < 24)).all()


def test_same_seed_same_places(clusters):
    first = embed(clusters, seed=7)
    with threadpool_limits(2):
        second = embed(clusters, seed=7)
    for name in BRANCHES:
        assert first[name].tobytes() == second[name].tobytes()


def test_seed_and_one_thread_reach_the_t_sne(clusters, monkeypatch):
    seen = []

    def fit_transform(self, rows):
        threads = {library['num_threads'] for library in threadpool_info()}
        seen.append((self.init, self.random_state, threads))
        return np.zeros((len(rows), 2))

    monkeypatch.setattr('sklearn.manifold.TSNE.fit_transform', fit_transform)
    with threadpool_limits(2):
        embed(clusters, seed=7)
    assert seen == [('pca', 7, {1})]


def test_few_points():
    people = seen({1: 3})
    people.feats['alignps'][:] = [[1, 0], [0.8, 0.6], [0, 1]]
    people.feats['roi_align'][:] = [[-1, 0], [-0.8, 0.6], [0, -1]]
    assert all(np.isfinite(points).all() for points in embed(people, 0).values())


def test_features_that_are_all_alike_are_told():
    people = seen({1: 3, 2: 3})
    for rows in people.feats.values():
        rows[:] = (0.6, 0.8)
    with pytest.raises(ValueError, match='the same for everybody'):
        embed(people, 0)


def test_without_scikit_learn(clusters, monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn.manifold', None)
    with pytest.raises(ValueError, match=r'pip install "mmdet_ps\[plots\]"'):
        embed(clusters, 0)


def test_a_colour_an_identity_and_a_marker_a_branch():
    """In every panel, whatever the order of the detections."""
    rng = np.random.default_rng(0)
    pids = dict(one=np.array([5, 2, 9, 2, 5, 9]), two=np.array([9, 9, 2, 5]))
    models = {
        name: (who, {branch: rng.normal(size=(len(who), 2)) for branch in BRANCHES})
        for name, who in pids.items()
    }
    figure = draw_embeddings(models, 'A title')
    palette = dict(zip((2, 5, 9), identity_colours(3), strict=True))
    assert len(figure.axes) == 2 and figure.get_suptitle() == 'A title'
    for axis, (name, (who, places)) in zip(figure.axes, models.items(), strict=True):
        assert axis.get_title() == name
        drawn = dict(zip(BRANCHES, axis.collections, strict=True))
        for branch, marker in dict(roi_align='*', alignps='.').items():
            points = drawn[branch]
            assert np.array_equal(points.get_offsets(), places[branch])
            assert np.allclose(points.get_facecolors()[:, :3], [palette[pid] for pid in who])
            style = MarkerStyle(marker)
            shape = style.get_path().transformed(style.get_transform())
            assert np.allclose(points.get_paths()[0].vertices, shape.vertices)
    (legend,) = figure.legends
    shown = [
        (text.get_text(), line.get_marker())
        for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)
    ]
    assert shown == [('RoI-Align', '*'), ('AlignPS', '.')]


@pytest.mark.parametrize('panels', [1, 3, 4])
def test_as_many_panels_as_models(panels):
    model = (np.array([1, 2]), {branch: np.zeros((2, 2)) for branch in BRANCHES})
    figure = draw_embeddings({str(i): model for i in range(panels)})
    assert [axis.get_title() for axis in figure.axes] == [str(i) for i in range(panels)]
    assert figure.get_suptitle() == 't-SNE of re-id features, 2 identities'


@pytest.mark.parametrize('count', [1, 7, 15, 16, 40])
def test_colours_can_be_told_from_each_other(count):
    colours = identity_colours(count)
    assert colours.shape == (count, 3) and colours.min() >= 0 and colours.max() <= 1
    away = np.abs(colours[:, None] - colours).max(2) + np.eye(count)
    assert away.min() > (0.12 if count <= 15 else 0.05)
    assert (colours.min(1) < 0.75).all()  # on white
