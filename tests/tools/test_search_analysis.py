"""The analysis tools on a small drawn release, with results as a model would have saved them."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_ps.apis import build_test_set, load_config
from mmdet_ps.core.evaluation import SearchOptions, load_rankings
from mmdet_ps.core.results_io import load_results, save_results
from mmdet_ps.core.visualization.rankings import QUERY, RIGHT, WRONG
from mmdet_ps.core.visualization.sheet import crop
from mmdet_ps.reproduce import yardsticks

from .search_tools import CONFIG, ROOT, refused, run


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


SEARCHES = [
    ([], []),
    ([], ['evaluation.class_weighted=True']),
    ([], ['evaluation.score_thr=0.7', 'evaluation.skip_repeated=True']),
    ([], ['evaluation.query_feature=gt_box']),
    ([], ['evaluation.cbgm.k1=3', 'evaluation.cbgm.k2=2']),
    (['--class-weighted', '--score-thr', '0.5'], []),
    (['--score-thr', '0.3'], ['evaluation.score_thr=0.7']),
    (['--no-class-weighted'], ['evaluation.class_weighted=True']),
    (['--cbgm', '2', '5'], []),
    (['--query-feature', 'gt_box', '--skip-repeated'], []),
]


def test_tools_show_the_numbers_of_the_test(searched, tmp_path, monkeypatch, capsys):
    """With every option, of config and command line: the same mAP and the same ranking."""
    import mmdet_ps.core.visualization as visualization

    cfg_options, file = searched
    drawn = []

    def search_sheet(ranking, *args, **kwargs):
        drawn.append(ranking)
        return original(ranking, *args, **kwargs)

    original = visualization.search_sheet
    monkeypatch.setattr(visualization, 'search_sheet', search_sheet)
    monkeypatch.setattr('mmdet_ps.reproduce.yardsticks.describe_boxes', no_network)
    numbers, colours, told = {}, {}, []
    for given, configured in SEARCHES:
        ranking, outs = tmp_path / 'r.npz', [tmp_path / name for name in ('a.json', 'b.json')]
        common = [*given, '--results', file, '--cfg-options', *cfg_options, *configured]
        run('test_ps.py', CONFIG, '--save-ranking', ranking, '--json', outs[0], *common)
        run('analysis/yardsticks.py', CONFIG, '--json', outs[1], *common)
        run('analysis/visualize_search.py', CONFIG, '--out', tmp_path / 'a.png', *common)
        tested, measured = (json.loads(out.read_text()) for out in outs)
        assert measured['settings'] == tested['settings']
        assert measured['search'][:1] == tested['search']
        (expected,) = load_rankings(ranking)
        for key, value in vars(expected).items():
            assert np.array_equal(value, getattr(drawn[-1], key)), key
        numbers[str(tested['settings'])] = round(tested['search'][0]['mAP'], 12)
        colours[str(tested['settings'])] = measured['search'][2]['mAP']
        told.append(drawn[-1].similarity)
    # The options change the numbers, so that a tool without one would show others; but no gallery
    # of these repeats a picture, and --no-class-weighted is the default again.
    assert len(numbers) == len(SEARCHES) - 1
    assert len(set(numbers.values())) == len(numbers) - 1, numbers
    # The same for the yardstick of colours; an annotated box is its own nearest detection.
    assert len(set(colours.values())) >= 6, colours
    assert told[:5] == ['cosine', 'cosine x score', 'cosine', 'cosine', 'matched sum']


def no_network(cfg, checkpoint, boxes, seed):
    return [{'x': np.zeros((len(found), 2), np.float32)} for found in boxes]


def test_yardsticks_describe_the_queries_boxes(searched, tmp_path, monkeypatch):
    """With colours that are a person's own and ``gt_box``, everybody is found by colour."""
    cfg_options, file = searched
    results = load_results(file)
    seen = []

    def by_place(paths, boxes):
        seen.extend(boxes)
        return [found[:, :2].astype(np.float32) for found in boxes]

    monkeypatch.setattr('mmdet_ps.reproduce.yardsticks.describe_boxes', no_network)
    monkeypatch.setattr('mmdet_ps.reproduce.yardsticks.colour_feats', by_place)
    out = tmp_path / 'a.json'
    arguments = ('--results', file, '--json', out, '--query-feature', 'gt_box')
    run('analysis/yardsticks.py', CONFIG, *arguments, '--cfg-options', *cfg_options)
    for boxes, result in zip(seen, results, strict=True):
        both = np.concatenate([result['bboxes'][:, :4], result['query_boxes']])
        assert np.array_equal(boxes, both)
    rows = {row['feature']: row for row in json.loads(out.read_text())['search']}
    assert rows['random features']['mAP'] < 0.2 < rows['alignps']['mAP']


def test_queries_that_were_not_described_are_one_line(searched, tmp_path, capsys):
    cfg_options, file = searched
    plain = tmp_path / 'plain.npz'
    results = load_results(file)
    save_results(plain, [{k: v for k, v in r.items() if 'query' not in k} for r in results])
    for tool, out in (
        ('test_ps.py', ()),
        ('analysis/yardsticks.py', ()),
        ('analysis/visualize_search.py', ('--out', tmp_path / 'a.png')),
    ):
        line = refused(
            capsys, tool, CONFIG, '--results', plain, '--query-feature', 'gt_box', *out,
            '--cfg-options', *cfg_options,
        )  # fmt: skip
        assert 'query 0' in line and 'test again with --query-feature gt_box' in line


def test_pictures_show_all_features_joined(searched, tmp_path, capsys):
    cfg_options, file = searched
    out = tmp_path / 'a.png'
    draw = ('analysis/visualize_search.py', CONFIG, '--results', file.parent / 'two.npz')
    run(*draw, '--out', out, '--cfg-options', *cfg_options)
    assert capsys.readouterr().out.endswith('6 queries of G50, concatenation\n')
    run(*draw, '--out', out, '--feature', 'noise', '--cfg-options', *cfg_options)
    assert capsys.readouterr().out.endswith('6 queries of G50, noise\n')


def test_picture_from_results_equals_picture_from_rankings(searched, tmp_path):
    options, file = searched
    first, second, ranking = tmp_path / 'a.png', tmp_path / 'b.png', tmp_path / 'ranking.npz'
    draw = ('analysis/visualize_search.py', CONFIG, '--queries', '3', '--topk', '4')
    shown = ('--show', 'names', 'scores', 'missed')
    run(*draw, *shown, '--results', file, '--out', first, '--cfg-options', *options)
    test = ('test_ps.py', CONFIG, '--results', file, '--save-ranking', ranking)
    run(*test, '--cfg-options', *options)
    run(*draw, *shown, '--ranking', ranking, '--out', second, '--cfg-options', *options)
    picture = cv2.imread(str(first))
    assert picture.shape[1] == 12 + (1 + 4 + 3) * 162
    assert np.array_equal(picture, cv2.imread(str(second)))


def test_cells_are_cut_out_of_their_own_pictures(searched, tmp_path):
    """Each cell of the file against a crop of the picture and box that the ranking names."""
    options, file = searched
    out, saved = tmp_path / 'a.png', tmp_path / 'ranking.npz'
    test = ('test_ps.py', CONFIG, '--results', file, '--save-ranking', saved)
    run(*test, '--cfg-options', *options)
    draw = ('analysis/visualize_search.py', CONFIG, '--ranking', saved, '--queries', '1,4,7')
    run(*draw, '--topk', '2', '--out', out, '--cfg-options', *options)
    (ranking,) = load_rankings(saved)
    root = Path(options[0].split('=')[1])
    (folder,) = {path.parent for path in root.rglob(str(ranking.image_names[0]))}
    picture = cv2.imread(str(out))
    height = 2 * 20 + 230 + 24
    top = picture.shape[0] - 3 * height + 12 + 40
    for row, query in enumerate((1, 4, 7)):
        asked = [(ranking.query_images[query], ranking.query_boxes[query], QUERY)]
        for k in range(2):
            colour = RIGHT if ranking.top_right[query, k] else WRONG
            asked.append((ranking.top_images[query, k], ranking.top_boxes[query, k], colour))
        for column, (image, box, colour) in enumerate(asked):
            scene = cv2.imread(str(folder / str(ranking.image_names[image])))
            y, x = top + row * height, 12 + column * 162
            expected = crop(scene, box, colour)
            assert np.array_equal(picture[y : y + 230, x : x + 150], expected)


def test_colours_are_read_from_each_picture(searched, tmp_path, monkeypatch):
    """What is measured for each box equals the stripes of its own picture, and no two are alike."""
    options, file = searched
    cfg = load_config(CONFIG, dict(option.split('=', 1) for option in options[:1]))
    dataset = build_test_set(cfg)
    results = load_results(file)[:5]
    root = Path(dataset.img_prefix)
    measured = []
    monkeypatch.setattr(yardsticks, 'describe_boxes', no_network)
    original = yardsticks.colour_feats
    monkeypatch.setattr(
        yardsticks, 'colour_feats', lambda *a: measured.append(original(*a)) or measured[-1]
    )
    monkeypatch.setattr(dataset, 'data_infos', dataset.data_infos[:5])
    monkeypatch.setattr(dataset, 'report', lambda *args: dict(search=[dict(protocol='x')]))
    yardsticks.measure_yardsticks(cfg, dataset, results, SearchOptions())
    boxes = [np.concatenate([r['bboxes'][:, :4], r['query_boxes']]) for r in results]
    own = [
        yardsticks.colour_stripes(cv2.imread(str(root / r['img_name'])), found)
        for r, found in zip(results, boxes, strict=True)
    ]
    mean = np.concatenate(own).mean(0)
    for rows, expected in zip(measured[0], own, strict=True):
        assert np.allclose(rows, expected - mean, atol=1e-3)


def test_wrong_use_of_the_picture(searched, tmp_path, capsys):
    options, file = searched
    draw = ('analysis/visualize_search.py', CONFIG, '--results', file)
    out = tmp_path / 'a.png'
    for arguments, message in (
        (['--out', out, '--queries', 'all'], '--queries all'),
        (['--out', out, '--queries', '9999'], '--queries 9999'),
        (['--out', out, '--topk', '11'], '--topk 11'),
        (['--out', out, '--feature', 'roi'], 'alignps on G50'),
        (['--out', out, '--cbgm', '0', '0'], 'cbgm='),
        (['--out', out, '--score-thr', 'nan'], 'score_thr=nan'),
        (['--out', tmp_path / 'a.gif'], 'a.gif'),
        (['--out', tmp_path / 'a.jpg', '--queries', ','.join(['3'] * 250)], 'at most 65500'),
    ):
        assert message in refused(capsys, *draw, *arguments, '--cfg-options', *options)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit):
        draw = ('analysis/visualize_search.py', CONFIG, '--ranking', file, '--out', out)
        run(*draw, '--class-weighted')
    assert '--class-weighted needs --results' in capsys.readouterr().err


def test_wrong_options_are_found_before_the_network_is_made(capsys):
    """The checkpoint, which would be read before the model runs, is not there."""
    for arguments, said in (
        (['--cbgm', '0', '0'], 'cbgm='),
        (['--score-thr', 'nan'], 'score_thr=nan'),
        (['--cfg-options', 'evaluation.cbgm=3'], 'cbgm=3'),
        (['--out', 'results.pkl'], '--out results.pkl'),
    ):
        line = refused(capsys, 'test_ps.py', CONFIG, 'no_such.pth', *arguments)
        assert said in line and 'no_such' not in line


@pytest.mark.parametrize(
    'tool',
    [
        'test_ps.py',
        'analysis/visualize_search.py',
        'analysis/yardsticks.py',
        'analysis/join_results.py',
        'analysis/plot_gallery_curve.py',
        'model_converters/alignps_released.py',
    ],
)
def test_help_needs_nothing_heavy(tool):
    code = (
        'import runpy, sys\n'
        f'sys.argv = [{tool!r}, "--help"]\n'
        'try:\n'
        f'    runpy.run_path({str(ROOT / "tools" / tool)!r}, run_name="__main__")\n'
        'finally:\n'
        '    heavy = ("torch", "mmcv", "mmdet", "matplotlib", "cv2")\n'
        '    print([name for name in heavy if name in sys.modules])\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stderr == ''
    assert done.stdout.startswith('usage: ') and done.stdout.endswith('[]\n')


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
