import itertools
import os
import sys
import warnings

import numpy as np
import pytest

from mmdet_ps.gallery import Gallery, index
from mmdet_ps.gallery.filters import Filter, source_condition
from mmdet_ps.gallery.index import probes
from mmdet_ps.gallery.schema import people_table

from .stub import DIM, StubFinder, people_of, write_picture

pytest.importorskip('lancedb')


def fill(gallery, count, seed=0, first=0):
    """Random people of 5 cameras and 7 videos, one of them without camera, pictures without time.

    Returns:
        The rows, with float32 embeddings as the gallery rounds them.
    """
    rng = np.random.default_rng(seed)
    feats = rng.normal(size=(count, gallery.index.dim)).astype(np.float16)
    sources = [f"/v/it's_{n % 7}%.mp4" for n in range(count)]
    columns = dict(
        id=[f'{source}#{n + first}#0' for n, source in enumerate(sources)],
        source=sources,
        frame=list(range(count)),
        position=[n / 10 for n in range(count)],
        time=[None if n % 11 == 0 else n / 10 for n in range(count)],
        camera=[None if n % 5 == 0 else f'c{n % 5}' for n in range(count)],
        box=[np.array([n, 1, n + 5, 9], np.float32) for n in range(count)],
        score=np.float32(rng.uniform(0, 1, count)).tolist(),
        stamp=['s'] * count,
    )
    gallery.index.put_people(people_table(columns, feats, gallery.index.schema), None)
    return columns, feats.astype(np.float64)


@pytest.fixture
def gallery(tmp_path):
    return Gallery(tmp_path / 'g', StubFinder())


def brute_force(columns, feats, query, kept, top):
    sims = feats @ query / np.linalg.norm(feats, axis=1) / np.linalg.norm(query)
    order = [n for n in np.argsort(-sims, kind='stable') if kept[n]][:top]
    return [columns['id'][n] for n in order], sims[order]


FILTERS = [
    ({}, lambda c, n: True),
    ({'cameras': ['c1', 'c3']}, lambda c, n: c['camera'][n] in ('c1', 'c3')),
    ({'cameras': 'c2'}, lambda c, n: c['camera'][n] == 'c2'),
    ({'cameras': []}, lambda c, n: False),
    ({'cameras': ["it's"]}, lambda c, n: False),
    ({'sources': "/v/it's_3%.mp4"}, lambda c, n: n % 7 == 3),
    ({'sources': ["it's_?%.mp4"]}, lambda c, n: True),
    ({'sources': ['*_1*', '*_2%*']}, lambda c, n: n % 7 in (1, 2)),
    ({'since': 5, 'until': '0:20'}, lambda c, n: n % 11 != 0 and 5 <= n / 10 <= 20),
    ({'min_score': 0.7}, lambda c, n: c['score'][n] >= 0.7),
    (
        {'min_score': 0.4, 'cameras': ['c4'], 'since': 1.5, 'sources': "it's_5%.mp4"},
        lambda c, n: c['score'][n] >= 0.4 and n % 5 == 4 and n % 11 != 0 and n >= 15 and n % 7 == 5,
    ),
]


@pytest.mark.parametrize(('chosen', 'kept'), FILTERS, ids=[str(f) for f, _ in FILTERS])
def test_search_is_brute_force_with_and_without_filters(tmp_path, chosen, kept):
    gallery = Gallery(tmp_path / 'g', StubFinder())
    columns, feats = fill(gallery, 600)
    keep = [kept(columns, n) for n in range(600)]
    for seed, top in ((1, 20), (2, 1), (3, 1000)):
        query = np.random.default_rng(seed).normal(size=DIM)
        hits = gallery.search(query, top, **chosen)
        ids, sims = brute_force(columns, feats, query, keep, top)
        assert [hit.id for hit in hits] == ids
        assert [hit.similarity for hit in hits] == pytest.approx(sims.tolist(), abs=1e-7)
        for hit in hits[:3]:
            n = columns['id'].index(hit.id)
            assert hit.box == (n, 1, n + 5, 9) and hit.frame == n and hit.position == n / 10
            assert (hit.source, hit.time, hit.camera) == (
                columns['source'][n],
                columns['time'][n],
                columns['camera'][n],
            )
            assert hit.score == pytest.approx(columns['score'][n], abs=1e-7)


def test_min_similarity_lets_equals_in(gallery):
    columns, feats = fill(gallery, 300)
    query = feats[7]
    sims = feats @ query / np.linalg.norm(feats, axis=1) / np.linalg.norm(query)
    for bound in (0.9, 0.3, -1.0):
        found = gallery.search(query, 1000, min_similarity=bound)
        assert len(found) == (sims >= bound).sum()
    assert [hit.id for hit in gallery.search(query, 5, min_similarity=1 - 1e-6)] == [
        columns['id'][7]
    ]


def test_the_query_is_compared_as_it_was_given(gallery):
    """Not rounded to float16, as LanceDB does it: at the last place that changes what is found."""
    columns, feats = fill(gallery, 3000)
    norms = np.linalg.norm(feats, axis=1)
    everybody, changed = [True] * 3000, 0
    for seed in range(1500):
        query = np.random.default_rng(seed).normal(size=DIM)
        sims = feats @ query / norms / np.linalg.norm(query)
        rounded = feats @ query.astype(np.float16).astype(float)
        best = np.argsort(-sims)[:50]
        if seed < 10:
            bound = sims[best[9]] - 1e-7
            assert len(gallery.search(query, 50, min_similarity=bound)) == 10
        if set(best) != set(np.argsort(-rounded / norms)[:50]):
            changed += 1
            found = gallery.search(query, 50)
            assert [hit.id for hit in found] == brute_force(columns, feats, query, everybody, 50)[0]
        if changed == 5:
            return
    raise AssertionError('rounding has changed nothing: these queries test nothing')


@pytest.mark.parametrize(
    ('given', 'why'),
    [
        (np.ones(DIM + 1), 'has 16 numbers'),
        (np.ones((2, DIM)), 'has 16 numbers'),
        (np.zeros(DIM), 'zero or not finite'),
        (np.full(DIM, np.nan), 'zero or not finite'),
    ],
)
def test_wrong_embeddings_are_refused(gallery, given, why):
    with pytest.raises(ValueError, match=why):
        gallery.search(given)


def test_an_empty_gallery_gives_nothing(gallery):
    assert len(gallery) == 0 and len(gallery.search(np.ones(DIM))) == 0
    assert gallery.sources() == [] and gallery.maintain(force=True) is not None
    with pytest.raises(ValueError, match='top=0'):
        gallery.search(np.ones(DIM), top=0)


def test_the_index_of_a_large_gallery_finds_what_comparing_all_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(index, 'EXACT_ROWS', 2000)
    monkeypatch.setattr(index, 'EXACT_FILTERED', 50)
    monkeypatch.setattr(index, 'SCALAR_ROWS', 2000)
    monkeypatch.setattr(index, 'PARTITION', 256)
    gallery = Gallery(tmp_path / 'g', StubFinder())
    columns, feats = fill(gallery, 5000)
    assert gallery.maintain() == [
        f'index of people.{name}' for name in ('feat', 'source', 'time', 'score', 'id', 'camera')
    ]
    assert gallery.maintain() == []
    kinds = {i.columns[0]: i.index_type for i in gallery.index.people.list_indices()}
    assert kinds == dict(
        camera='Bitmap', source='BTree', time='BTree', score='BTree', id='BTree', feat='IvfSq'
    )
    used = []
    compares = gallery.index._compares_all
    monkeypatch.setattr(
        gallery.index, '_compares_all', lambda *a: used.append(compares(*a)) or used[-1]
    )
    everybody, right = 0, 0
    for seed in range(10):
        query = np.random.default_rng(seed).normal(size=DIM)
        for camera in (None, 'c3'):
            keep = [camera in (None, c) for c in columns['camera']]
            ids, sims = brute_force(columns, feats, query, keep, 100)
            hits = gallery.search(query, 100, cameras=camera and [camera])
            everybody += 100
            right += len({hit.id for hit in hits} & set(ids))
            assert hits[0].similarity == pytest.approx(sims[0], abs=1e-7)
    assert used == [False] * 20 and right / everybody >= 0.98
    gallery.search(query, sources="it's_3%.mp4", since=480)
    assert used[-1] is True

    # A tenth of new people is scanned, more than that is brought into the index.
    fill(gallery, 300, seed=1, first=5000)
    assert gallery.maintain() == []
    fill(gallery, 900, seed=2, first=5300)
    assert gallery.maintain() == ['people optimized']
    assert all(i.num_unindexed_rows == 0 for i in gallery.index.people.list_indices())
    assert len(gallery) == 6200


def test_probes_are_all_partitions_of_a_million_and_a_share_of_more():
    assert probes(1) == 1 and probes(200_000) == 25
    assert probes(1_000_000) == 123
    assert probes(10_000_000) == 152


def test_many_small_files_are_joined(gallery, monkeypatch):
    monkeypatch.setattr(index, 'SMALL_FILES', 5)
    rng = np.random.default_rng(0)
    for n in range(6):
        columns = dict(
            id=[f'/a/{n}.jpg#0#0'],
            source=[f'/a/{n}.jpg'],
            frame=[0],
            position=[None],
            time=[None],
            camera=[None],
            box=[np.zeros(4, np.float32)],
            score=[0.5],
            stamp=['s'],
        )
        table = people_table(columns, rng.normal(size=(1, DIM)), gallery.index.schema)
        gallery.index.put_people(table, None)
    assert gallery.maintain() == ['people optimized']
    assert gallery.index.people.stats()['fragment_stats']['num_fragments'] == 1
    # Versions of the last hour are kept for readers.
    assert len(gallery.index.people.list_versions()) > 5


def test_files_of_no_version_are_let_be(tmp_path):
    gallery = Gallery(tmp_path / 'g', StubFinder())
    write_picture(tmp_path / 'a.jpg', 3)
    gallery.add(tmp_path / 'a.jpg', progress=False)
    (tmp_path / 'g' / 'people.lance' / 'data' / 'killed.lance').write_bytes(b'')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert len(Gallery(tmp_path / 'g')) == 3


def test_upkeep_that_another_process_does_is_left_to_it():
    def fail(message):
        raise RuntimeError(message)

    assert index._unless_other(lambda: None)
    assert not index._unless_other(lambda: fail('lance error: Retryable commit conflict for 7'))
    with pytest.raises(RuntimeError, match='no space'):
        index._unless_other(lambda: fail('no space'))


def test_sql_of_filters():
    assert Filter().condition() is None
    assert source_condition('/a/b.mp4') == "source = '/a/b.mp4'"
    assert source_condition("/a/it's*") == "source LIKE '/a/it''s%' ESCAPE '\\'"
    assert source_condition('a_?.mp4') == (
        "source LIKE 'a\\__.mp4' ESCAPE '\\' OR source LIKE '%/a\\__.mp4' ESCAPE '\\'"
    )
    assert source_condition('camera:0') == "source = 'camera:0'"


def test_a_gallery_of_another_model_is_refused_by_one_line(tmp_path):
    Gallery(tmp_path / 'g', StubFinder(model='aaaa'))
    for other in (StubFinder(model='bbbb'), StubFinder(model='aaaa', dim=DIM + 1)):
        with pytest.raises(ValueError, match='of another model') as refused:
            Gallery(tmp_path / 'g', other)
        assert '\n' not in str(refused.value)
    assert Gallery(tmp_path / 'g').index.model == 'aaaa'


def test_a_gallery_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no gallery; tools/index.py makes one'):
        Gallery(tmp_path / 'g')
    with pytest.raises(FileNotFoundError):
        Gallery(tmp_path / 'g', StubFinder(), create=False)
    assert not (tmp_path / 'g').exists()
    write_picture(tmp_path / 'a.jpg', 1)
    with pytest.raises(ValueError, match='is a file'):
        Gallery(tmp_path / 'a.jpg', StubFinder())


def test_without_lancedb_the_package_imports_and_a_gallery_says_what_to_install(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, 'lancedb', None)
    with pytest.raises(ValueError, match=r"pip install 'mmdet_ps\[gallery\]'"):
        Gallery(tmp_path / 'g', StubFinder())


def test_use_after_a_fork_is_refused(gallery, monkeypatch):
    monkeypatch.setattr(os, 'getpid', lambda: -1)
    with pytest.raises(RuntimeError, match='opened before a fork'):
        gallery.search(np.ones(DIM))


def test_a_reader_sees_what_another_has_written(tmp_path, monkeypatch):
    monkeypatch.setattr(index, 'CONSISTENCY', index.timedelta(seconds=0))
    writer = Gallery(tmp_path / 'g', StubFinder())
    reader = Gallery(tmp_path / 'g')
    write_picture(tmp_path / 'a.jpg', 3)
    writer.add(tmp_path / 'a.jpg', progress=False)
    assert len(reader) == 3 and [s.people for s in reader.sources()] == [3]
    hit = reader.search(people_of(3).feats[1], top=1)[0]
    assert hit.id.endswith('a.jpg#0#1') and hit.similarity == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match='opened without a model'):
        reader.add(tmp_path / 'a.jpg')


def versions(folder, table='people'):
    return sorted((folder / f'{table}.lance' / '_versions').glob('*.manifest'))


@pytest.mark.parametrize(
    ('table', 'left'), itertools.product(['people', 'sources'], ['empty', 'half', 'two', 'rows'])
)
def test_a_broken_newest_manifest_is_said_and_the_version_before_is_used(tmp_path, table, left):
    gallery = Gallery(tmp_path / 'g', StubFinder())
    for n in (1, 2, 3):
        write_picture(tmp_path / f'{n}.jpg', n)
        gallery.add(tmp_path / f'{n}.jpg', progress=False)
    broken = versions(tmp_path / 'g', table)[: 2 if left == 'two' else 1]
    for path in broken:
        if left == 'rows':
            newest = max(
                (tmp_path / 'g' / f'{table}.lance' / 'data').iterdir(), key=os.path.getctime
            )
            newest.write_bytes(newest.read_bytes()[:50])
        else:
            path.write_bytes(path.read_bytes()[:100] if left == 'half' else b'')
    with pytest.warns(UserWarning, match='not whole') as said:
        again = Gallery(tmp_path / 'g', StubFinder())
    assert len(said) == len(broken) and str(broken[0]) in str(said[0].message)
    kept = 3 - len(broken)
    if table == 'people':
        assert len(again) == sum((1, 2, 3)[:kept])
    else:
        assert len(again) == 6 and len(again.sources()) == kept
    # With the lost source added again all is there once.
    for n in (1, 2, 3):
        if table == 'people':
            os.utime(tmp_path / f'{n}.jpg', (n, n))
        again.add(tmp_path / f'{n}.jpg', progress=False)
    assert len(again) == 6 and len(again.sources()) == 3
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert len(Gallery(tmp_path / 'g')) == 6
