"""The analysis tools on a small drawn release, with results as a model would have saved them."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_ps.apis import build_test_set, load_config
from mmdet_ps.core.results_io import save_results
from mmdet_ps.datasets.synthetic import Settings, make_dataset

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs' / 'synthetic' / 'alignps_tiny.py')


def run(tool, *arguments):
    argv = sys.argv
    sys.argv = [tool, *map(str, arguments)]
    try:
        runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')
    finally:
        sys.argv = argv


def refused(capsys, tool, *arguments):
    """The one line in which a tool refuses its input."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run(tool, *arguments)
    assert stop.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture(scope='module')
def searched(tmp_path_factory):
    """Options of the test set and a results file: true boxes, features by identity and noise."""
    folder = tmp_path_factory.mktemp('search')
    root = folder / 'data'
    make_dataset(Settings('cuhk_sysu', 30, 51, 40, 160, 96, seed=5), root, workers=2)
    run('dataset_converters/cuhk_sysu.py', root)
    options = [f'data.test.data_root={root}', 'data.workers_per_gpu=0']
    dataset = build_test_set(
        load_config(CONFIG, dict(option.split('=', 1) for option in options[:1]))
    )
    rng = np.random.default_rng(0)
    # 16 directions for more people than that: some are mixed up.
    codes = rng.normal(size=(dataset.num_pids + 1, 16))
    results = []
    for i, info in enumerate(dataset.data_infos):
        ann = dataset.get_ann_info(i)
        feats = codes[ann['pids']] + 0.9 * rng.normal(size=(len(ann['pids']), 16))
        boxes = np.column_stack([ann['bboxes'], np.full(len(feats), 0.9)]).astype(np.float32)
        results.append(
            dict(
                bboxes=boxes,
                feats={'alignps': feats.astype(np.float32)},
                img_name=info['filename'],
            )
        )
    file = folder / 'results.npz'
    save_results(file, results)
    return options, file


def test_yardsticks_stand_beside_the_model(searched, tmp_path, capsys):
    options, file = searched
    out = tmp_path / 'numbers.json'
    run(
        'analysis/yardsticks.py',
        CONFIG,
        '--results',
        file,
        '--json',
        out,
        '--cfg-options',
        *options,
    )
    report = json.loads(out.read_text())
    rows = {row['feature']: row for row in report['search']}
    assert list(rows) == ['alignps', 'random features', 'colour stripes', 'untrained network']
    assert len({row['num_queries'] for row in rows.values()}) == 1
    assert rows['random features']['mAP'] < 0.2
    assert rows['random features']['mAP'] < rows['colour stripes']['mAP']
    assert rows['random features']['mAP'] < rows['untrained network']['mAP']
    assert rows['alignps']['mAP'] > 0.5
    table = capsys.readouterr().out
    for name, row in rows.items():
        (line,) = [line for line in table.splitlines() if f'  {name}  ' in line]
        assert f'{100 * row["mAP"]:.2f}' in line

    again = tmp_path / 'again.json'
    run(
        'analysis/yardsticks.py',
        CONFIG,
        '--results',
        file,
        '--json',
        again,
        '--cfg-options',
        *options,
    )
    assert json.loads(again.read_text()) == report


def test_picture_from_results_equals_picture_from_rankings(searched, tmp_path):
    options, file = searched
    first, second, ranking = tmp_path / 'a.png', tmp_path / 'b.png', tmp_path / 'ranking.npz'
    draw = ('analysis/visualize_search.py', CONFIG, '--queries', '3', '--topk', '4')
    run(*draw, '--results', file, '--out', first, '--cfg-options', *options)
    run(
        'test_ps.py',
        CONFIG,
        '--results',
        file,
        '--save-ranking',
        ranking,
        '--cfg-options',
        *options,
    )
    run(*draw, '--ranking', ranking, '--out', second, '--cfg-options', *options)
    picture = cv2.imread(str(first))
    assert picture.shape == (44 + 3 * 282 + 12, 24 + 5 * 162, 3)
    assert np.array_equal(picture, cv2.imread(str(second)))


def test_wrong_use_of_the_picture(searched, tmp_path, capsys):
    options, file = searched
    draw = ('analysis/visualize_search.py', CONFIG, '--results', file)
    out = tmp_path / 'a.png'
    for arguments, message in (
        (['--out', out, '--queries', 'all'], '--queries all'),
        (['--out', out, '--queries', '9999'], '--queries 9999'),
        (['--out', out, '--topk', '11'], '--topk 11'),
        (['--out', out, '--feature', 'roi'], 'alignps on G50'),
        (['--out', tmp_path / 'a.gif'], 'a.gif'),
    ):
        assert message in refused(capsys, *draw, *arguments, '--cfg-options', *options)
    assert list(tmp_path.iterdir()) == []


def test_results_of_another_dataset_are_refused(searched, tmp_path, capsys):
    options, _ = searched
    other = tmp_path / 'other.npz'
    save_results(other, [dict(bboxes=np.zeros((0, 5)), feats={'alignps': np.zeros((0, 4))})])
    for tool, out in (
        ('analysis/yardsticks.py', ()),
        ('analysis/visualize_search.py', ('--out', tmp_path / 'a.png')),
    ):
        line = refused(capsys, tool, CONFIG, '--results', other, *out, '--cfg-options', *options)
        assert 'belong to another dataset' in line
