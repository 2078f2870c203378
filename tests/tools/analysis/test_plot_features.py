"""Fig. 9: the tool's features are those of the detections on the people of the test set."""

import sys

import numpy as np
import pytest

from mmdet_ps.core.results_io import load_results, save_results

from ..search_tools import CONFIG, refused, run

TOOL = 'analysis/plot_features.py'


@pytest.fixture(scope='module')
def results(searched, tmp_path_factory):
    """Two results files of both branches; of the second model the scores are half as high."""
    folder = tmp_path_factory.mktemp('branches')
    for name, share in (('none', 1), ('mi', 0.5)):
        rows = load_results(searched[1])
        for row in rows:
            del row['query_boxes'], row['query_feats']
            row['bboxes'] = row['bboxes'] * np.array([1, 1, 1, 1, share], np.float32)
            row['feats']['roi_align'] = np.roll(row['feats']['alignps'], 1, axis=1) * share
        save_results(folder / f'{name}.npz', rows)
    return folder


def test_picture_of_the_features(searched, results, tmp_path, monkeypatch, capsys):
    options, _ = searched
    drawn = []
    monkeypatch.setattr(
        'mmdet_ps.core.visualization.tsne.embed',
        lambda people, seed: drawn.append(people) or {n: r[:, :2] for n, r in people.feats.items()},
    )
    out = tmp_path / 'new' / 'a.png'
    files = (results / 'none.npz', results / 'mi.npz')
    run(TOOL, CONFIG, *files, '--identities', 5, '--out', out, '--cfg-options', *options)
    assert out.read_bytes().startswith(b'\x89PNG')
    first, second = drawn
    told = f'{out}: 5 people, detections: {len(first.pids)} of none, {len(second.pids)} of mi\n'
    assert capsys.readouterr().out == told
    assert len(set(first.pids)) == 5 and set(first.pids) == set(second.pids)
    # Scores below 0.2, the config's threshold, are no detections.
    assert len(first.pids) > len(second.pids)
    for people in drawn:
        assert np.allclose(people.feats['roi_align'], np.roll(people.feats['alignps'], 1, axis=1))
        assert np.allclose(np.linalg.norm(people.feats['alignps'], axis=1), 1)
        # Features of an identity are alike, since they were drawn so.
        same = people.pids[:, None] == people.pids
        alike = people.feats['alignps'] @ people.feats['alignps'].T
        assert alike[same & ~np.eye(len(same), dtype=bool)].mean() > alike[~same].mean() + 0.3
    drawn.clear()
    run(
        TOOL,
        CONFIG,
        *files,
        '--identities',
        5,
        '--seed',
        1,
        '--out',
        out,
        '--cfg-options',
        *options,
    )
    assert set(drawn[0].pids) != set(first.pids)


def test_same_seed_same_file(searched, results, tmp_path):
    options, _ = searched
    for name in ('a.png', 'b.png'):
        draw = (results / 'none.npz', '--identities', 4, '--out', tmp_path / name)
        run(TOOL, CONFIG, *draw, '--cfg-options', *options)
    assert (tmp_path / 'a.png').read_bytes() == (tmp_path / 'b.png').read_bytes()


def test_wrong_input_is_one_line(searched, results, tmp_path, monkeypatch, capsys):
    options, one_branch = searched
    both, out = results / 'none.npz', ('--out', tmp_path / 'a.png')
    short = tmp_path / 'short.npz'
    save_results(short, load_results(both)[1:])
    for arguments, told in (
        ((one_branch, *out), 'results.npz: the features are alignps; needed'),
        ((short, *out), 'short.npz: '),
        ((both, both, *out), 'different --labels'),
        ((both, *out, '--identities', '0'), '--identities 0'),
        ((both, *out, '--identities', '999'), '--identities 999: only '),
        ((both, *out, '--seed', '-1'), '--seed -1'),
        ((both, '--out', tmp_path / 'a.gif'), '.png, .pdf or .svg'),
        ((tmp_path / 'no.npz', *out), 'no.npz'),
    ):
        assert told in refused(capsys, TOOL, CONFIG, *arguments, '--cfg-options', *options)
    monkeypatch.setitem(sys.modules, 'sklearn.manifold', None)
    line = refused(capsys, TOOL, CONFIG, both, *out, '--identities', 3, '--cfg-options', *options)
    assert 'pip install "mmdet_ps[plots]"' in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ['short.npz']
