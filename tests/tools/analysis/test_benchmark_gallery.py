import json
import runpy

import numpy as np
import pytest

from ..test_train_test_cli import TOOLS, call, refused

pytest.importorskip('lancedb')
TOOL = 'analysis/benchmark_gallery.py'


@pytest.fixture(scope='module')
def tool():
    return runpy.run_path(str(TOOLS / TOOL))


def test_people_are_views_of_identities_and_the_same_each_time(tool):
    people = tool['People'](12_345, 32)
    chunks = list(people.chunks())
    assert [len(places) for places, *_ in chunks] == [10_000, 2345]
    for (_, cameras, feats), again in zip(chunks, people.chunks(), strict=True):
        assert np.array_equal(feats, again[2]) and np.array_equal(cameras, again[1])
        assert np.allclose(np.linalg.norm(feats, axis=1), 1, atol=1e-5)
    places = np.arange(12_345)
    feats = np.concatenate([feats for *_, feats in chunks])
    identity = people.identity(places)
    assert np.bincount(identity).min() >= 20
    own = feats[identity == 7] @ feats[identity == 7].T
    others = feats[identity == 7] @ feats[identity == 8].T
    assert np.mean(own[np.triu_indices(len(own), 1)]) == pytest.approx(0.7, abs=0.06)
    assert np.abs(others.mean()) < 0.5


def test_the_truth_is_that_of_all_similarities(tool):
    people = tool['People'](11_000, 16)
    identities = np.array([3, 500])
    queries = people.views(identities, (6,))
    chunks = list(people.chunks())
    feats = np.concatenate([f for *_, f in chunks]).astype(np.float16).astype(np.float64)
    feats /= np.linalg.norm(feats, axis=1, keepdims=True)
    cameras = np.concatenate([c for _, c, _ in chunks])
    for filtered in (False, True):
        found, own = tool['truth'](people, queries, identities, filtered)
        for n, query in enumerate(queries.astype(np.float64)):
            sims = feats @ query
            sims[filtered & (cameras != 0)] = -np.inf
            assert set(found[n]) == set(np.argsort(-sims)[: tool['TOP']].tolist())
            places = np.nonzero(people.identity(np.arange(11_000)) == identities[n])[0]
            assert own[n] == {p for p in places.tolist() if not filtered or cameras[p] == 0}


@pytest.mark.slow
def test_a_small_gallery_is_built_searched_and_removed(tmp_path, capsys):
    out = tmp_path / 'out.json'
    options = ['--people', 2500, '--dim', 32, '--queries', 5, '--cold', 1, '--json', out]
    call(TOOL, *options, '--folder', tmp_path / 'g')
    report = json.loads(out.read_text())
    assert report['people'] == 2500 and report['bytes'] > 2500 * 32 * 2
    for part in ('all', 'filtered'):
        assert report[part]['recall'] == report[part]['own'] == 1
        assert 0 < report[part]['p50_ms'] <= report[part]['p95_ms']
        assert report[part]['cold_ms'] > 0 and report[part]['peak_bytes'] > 2**20
    assert not (tmp_path / 'g').exists()
    assert capsys.readouterr().out.count('\n') == 4


def test_bad_input_is_one_line(tmp_path, capsys):
    assert 'is there already' in refused(capsys, TOOL, '--folder', tmp_path)
    assert '1 or more' in refused(capsys, TOOL, '--folder', tmp_path / 'g', '--people', 0)
