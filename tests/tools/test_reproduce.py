"""The tool that fills the paper's tables, on programs that stand in for training and test."""

import argparse
import csv
import importlib.util
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
from mmcv import Config

from mmdet_ps.apis import load_config
from mmdet_ps.reproduce import table as tables
from mmdet_ps.reproduce.plan import Settings, plan
from mmdet_ps.reproduce.report import columns, summarize_table, to_markdown, write_reports
from mmdet_ps.utils.cli import add_cfg_options

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'reproduce.py'
FAKE = Path(__file__).with_name('fake_tools.py')
spec = importlib.util.spec_from_file_location('reproduce_tool', TOOL)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with data, in which the tool finds the stand-ins."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data/synthetic').mkdir(parents=True)
    for split in ('train', 'test'):
        (tmp_path / f'data/synthetic/{split}.json').touch()

    def fake(tool, *arguments):
        return (sys.executable, '-S', str(FAKE), str(tmp_path), tool, *map(str, arguments))

    monkeypatch.setattr(tables, '_python', fake)
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


def start(*arguments):
    """Run the tool here; gives its exit code."""
    sys.argv = ['reproduce.py', *arguments]
    try:
        tool.main()
    except SystemExit as ended:
        return ended.code
    return 0


def apart(*arguments):
    """Run the tool in a process of its own."""
    process = multiprocessing.get_context('fork').Process(target=start, args=arguments)
    process.start()
    return process


def ledger(work):
    path = work / 'ledger'
    return path.read_text().splitlines() if path.exists() else []


def wait_for(work, line):
    until = time.monotonic() + 60
    while line not in ledger(work):
        assert time.monotonic() < until, ledger(work)
        time.sleep(0.02)


def folders(table, dataset='synthetic', **settings):
    settings = Settings(dataset, Path('runs'), **settings)
    return {row.name: row.runs[0].folder for row in plan(table, settings).rows}


FIG6, TABLE2 = ('fig6', '--dataset', 'synthetic'), ('table2', '--dataset', 'synthetic')
TABLE4 = ('table4', '--dataset', 'synthetic')


def test_equal_rows_share_their_runs():
    fig6, table2, table3 = folders('fig6'), folders('table2'), folders('table3')
    assert fig6['all'] == table2['all'] == table3['reid_first'] == folders('table6')['alignps']
    assert fig6['sa_ta'] == table2['none'] and fig6['sa_ra'] == table3['t3']
    assert folders('table6')['joint'] == folders('table7')['none']
    for table in (fig6, table2, table3, folders('table7')):
        assert len(set(table.values())) == len(table)
    table6 = folders('table6')
    assert len(table6) == 10 and len(set(table6.values())) == 6
    for model in ('joint', 'joint_no_rpn'):
        assert table6[model] == table6[f'{model}_alignps'] == table6[f'{model}_roi_align']


def test_what_changes_a_training_changes_its_folder():
    base = folders('table4')['oim']
    assert base != folders('table4', iterations=300)['oim']
    assert folders('table4', iterations=300)['oim'] != folders('table4', iterations=600)['oim']
    assert base == folders('table4', gpus=2)['oim'] == folders('table4', gpus=4)['oim']
    assert base != folders('table4', gpus=8)['oim']
    assert folders('table4', 'prw')['oim'] != folders('table4', 'cuhk_sysu')['oim']


def options_of(command):
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    return parser.parse_known_args(command)[0].cfg_options


@pytest.mark.parametrize('table', ['table4', 'table5', 'table6', 'table7'])
def test_overrides_are_those_of_the_configs(table):
    """What the training gets is a config that it accepts, of so many iterations."""
    for row in plan(table, Settings('synthetic', Path('runs'), iterations=300)).rows:
        if row.runs[0].parts:
            continue
        command = row.runs[0].steps()[0].command
        assert '--auto-resume' in command and '--no-validate' in command
        cfg = load_config(row.runs[0].config, options_of(command))
        assert cfg.runner == dict(type='ResumableRunner', max_iters=300, max_epochs=None)
        assert cfg.checkpoint_config == dict(interval=100, by_epoch=False, max_keep_ckpts=1)
        assert cfg.data.samples_per_gpu == 4
        assert cfg.lr_config.policy == 'CosineAnnealing' and cfg.lr_config.by_epoch is False


@pytest.mark.parametrize('gpus, share, scaled', [(1, 4, 0), (2, 2, 0), (4, 1, 0), (8, 1, 1)])
def test_batch_is_shared_out(gpus, share, scaled):
    run = plan('table2', Settings('cuhk_sysu', Path('runs'), gpus)).row('all').runs[0]
    training, testing = (step.command for step in run.steps())
    cfg = load_config(run.config, options_of(training))
    assert cfg.data.samples_per_gpu == share
    assert ('--auto-scale-lr' in training) == bool(scaled)
    assert training[0] == ('bash' if gpus > 1 else sys.executable)
    if gpus > 1:
        assert training[1].endswith('dist_train.sh') and training[3] == str(gpus)
        assert testing[1].endswith('dist_test.sh') and testing[4] == str(gpus)


def test_runs_to_the_end_and_then_does_nothing(work, capsys):
    assert start(*TABLE4, '--seeds', '2') == 0
    rows = ['oim', 'toim_no_lut', 'toim']
    expected = [
        f'{row}_synthetic seed{seed} {what}'
        for seed in (0, 1)
        for row in rows
        for what in ('iteration 1', 'iteration 2', 'iteration 3', 'tested')
    ]
    assert ledger(work) == expected
    assert '| OIM | - | 13.0 ± 0.0 | - | - | - | 50.0 ± 0.0 | -' in capsys.readouterr().out
    written = {path.name for path in (work / 'work_dirs/reproduce').glob('table*')}
    assert written == {f'table4_loss_synthetic.{kind}' for kind in ('md', 'csv', 'json')}
    assert start(*TABLE4, '--seeds', '2') == 0
    assert ledger(work) == expected
    assert start(*TABLE2, '--rows', 'all') == 0, 'the same model as TOIM with LUT'
    assert ledger(work) == expected


@pytest.mark.parametrize('how', [signal.SIGTERM, signal.SIGKILL])
def test_killed_in_the_middle(work, how):
    """Whatever was saved is neither lost nor done again."""
    (work / 'hang').write_text('toim_no_lut_synthetic')
    process = apart(*TABLE4)
    wait_for(work, 'toim_no_lut_synthetic seed0 hanging')
    os.kill(process.pid, how)
    process.join()
    if how == signal.SIGKILL:
        # Its training goes on alone: a second tool does the rest, and then what is left of it.
        second = apart(*TABLE4)
        wait_for(work, 'toim_synthetic seed0 tested')
        assert 'toim_no_lut_synthetic seed0 tested' not in ledger(work)
        (work / 'go').touch()
        second.join()
        assert second.exitcode == 0
    (work / 'hang').unlink()
    until = time.monotonic() + 30
    while start(*TABLE4) and time.monotonic() < until:
        time.sleep(0.1)
    done = Counter(line for line in ledger(work) if 'hanging' not in line)
    assert set(done.values()) == {1} and len(done) == 3 * 4


def test_training_that_was_stopped_is_not_tested(work, capsys):
    """A SIGTERM to the training alone: it is saved and ends well, but it is not at its end."""
    (work / 'stop').write_text('oim_synthetic')
    assert start(*TABLE4, '--rows', 'oim') == 1
    assert 'stopped by SIGTERM and is saved' in capsys.readouterr().out
    assert ledger(work) == ['oim_synthetic seed0 iteration 1']
    (work / 'stop').unlink()
    assert start(*TABLE4, '--rows', 'oim') == 0
    assert ledger(work)[1:] == [
        f'oim_synthetic seed0 {what}' for what in ('iteration 2', 'iteration 3', 'tested')
    ]


def run_folder(work, row):
    folder = (
        work / 'work_dirs/reproduce' / folders('table4', iterations=300)[row].relative_to('runs')
    )
    folder.mkdir(parents=True)
    return folder


def test_checkpoints_without_a_link_are_gone_on_from(work):
    """Such as those that were copied without their links."""
    (run_folder(work, 'oim') / 'iter_1.pth').touch()
    assert start(*TABLE4, '--rows', 'oim') == 0
    assert ledger(work)[0] == 'oim_synthetic seed0 iteration 2'


def test_folder_that_cannot_be_used_fails_its_row_alone(work, capsys):
    folder = run_folder(work, 'oim')
    folder.rmdir()
    folder.touch()
    assert start(*TABLE4) == 1
    out = capsys.readouterr().out
    assert 'oim, seed 0 failed: [Errno 17] File exists:' in out and folder.parent.name in out
    assert sum('tested' in line for line in ledger(work)) == 2


def test_result_that_is_cut_off_is_named(work):
    result = run_folder(work, 'oim') / 'result.json'
    result.write_text('{"search": [')
    with pytest.raises(ValueError, match=f'{result.parent.name}/result.json: not a whole result'):
        start(*TABLE4)


def test_other_numbers_of_iterations_have_tables_of_their_own(work):
    start(*TABLE4, '--rows', 'oim')
    before = (work / 'work_dirs/reproduce/table4_loss_synthetic.md').read_text()
    start(*TABLE4, '--rows', 'toim', '--iterations', '600')
    assert (work / 'work_dirs/reproduce/table4_loss_synthetic.md').read_text() == before
    other = (work / 'work_dirs/reproduce/table4_loss_synthetic_600.md').read_text()
    assert '600 iterations' in other and '| OIM | - | - |' in other


def test_failing_row_is_reported_and_the_rest_goes_on(work, capsys):
    (work / 'fail').write_text('oim_synthetic')
    assert start(*TABLE4) == 1
    out = capsys.readouterr().out
    assert 'error: no picture with people is left' in out
    assert [line for line in ledger(work) if 'tested' in line] == [
        'toim_no_lut_synthetic seed0 tested',
        'toim_synthetic seed0 tested',
    ]
    rows = json.loads((work / 'work_dirs/reproduce/table4_loss_synthetic.json').read_text())['rows']
    assert [bool(row['failure']) for row in rows] == [True, False, False]
    (work / 'fail').write_text('toim_no_lut_synthetic')
    (work / 'crash').write_text('oim_synthetic')
    assert start(*TABLE4) == 1
    assert 'training ended with 1: MemoryError: no room (' in capsys.readouterr().out
    (work / 'crash').unlink()
    assert start(*TABLE4) == 0
    assert len(ledger(work)) == 3 * 4


def test_joined_row_needs_both_models(work):
    assert start('table6', '--dataset', 'synthetic', '--rows', 'separate') == 0
    tested = [line for line in ledger(work) if 'tested' in line]
    assert tested == [f'{row}_synthetic seed0 tested' for row in ('alignps', 'nae', 'alignps')]
    assert start('table6', '--dataset', 'synthetic', '--rows', 'separate', 'nae', 'alignps') == 0
    assert [line for line in ledger(work) if 'tested' in line] == tested


JOINT = [f'joint_no_rpn{feature}' for feature in ('_roi_align', '_alignps', '')]


def test_features_of_one_model_are_rows_of_one_run(work):
    assert start('table6', '--dataset', 'synthetic', '--rows', *JOINT) == 0
    assert ledger(work) == [
        f'joint_no_rpn_synthetic seed0 {what}'
        for what in ('iteration 1', 'iteration 2', 'iteration 3', 'tested')
    ]
    written = json.loads((work / 'work_dirs/reproduce/table6_structure_synthetic.json').read_text())
    top1 = {row['row']: row['ours']['top1'] for row in written['rows']}
    # In the order of the results: alignps, roi_align, concatenation.
    assert [top1[row]['mean'] for row in JOINT] == pytest.approx([60.0, 50.0, 70.0])
    assert top1['joint'] is None


def test_a_shared_run_that_fails_is_tried_once(work, capsys):
    (work / 'fail').write_text('joint_no_rpn_synthetic')
    assert start('table6', '--dataset', 'synthetic', '--rows', *JOINT) == 1
    out = capsys.readouterr().out
    assert out.count('no picture with people is left') == 1 + len(JOINT)
    assert out.count('seed 0 failed') == 1


def test_failing_part_of_a_joined_row(work, capsys):
    (work / 'fail').write_text('nae_synthetic')
    assert start('table6', '--dataset', 'synthetic', '--rows', 'nae', 'separate', 'joint') == 1
    out = capsys.readouterr().out
    assert 'table6_structure/separate, seed 0 failed: needs table6_structure/nae: training' in out
    assert 'joint_synthetic seed0 tested' in ledger(work)


def test_a_row_that_is_only_tested_otherwise_shares_the_training(work):
    assert start('table8', '--dataset', 'synthetic', '--rows', 'seqnet_cbgm', 'seqnet') == 0
    assert ledger(work) == [
        *(f'seqnet_synthetic seed0 iteration {i}' for i in (1, 2, 3)),
        'seqnet_synthetic seed0 tested',
        'seqnet_cbgm_synthetic seed0 tested',
    ]
    assert start('table8', '--dataset', 'synthetic', '--rows', 'seqnet', 'seqnet_cbgm') == 0
    assert len(ledger(work)) == 5
    written = json.loads((work / 'work_dirs/reproduce/table8_sota_synthetic.json').read_text())
    found = {row['row']: row['ours']['mAP'] for row in written['rows']}
    assert found['seqnet']['mean'] == len('seqnet_synthetic')
    assert found['seqnet_cbgm']['mean'] == len('seqnet_cbgm_synthetic')


def test_quoted_rows_are_marked_and_not_run(tmp_path):
    table = plan('table8', Settings('cuhk_sysu', tmp_path))
    assert {row.name for row in table.rows if not row.runs} >= {'pga', 'dkd'}
    assert 'pga' not in {row.name for row in table.run_rows}
    summary = summarize_table(table, Settings('cuhk_sysu', tmp_path), {})
    assert {row['row'] for row in summary['rows'] if row['quoted']} >= {'ian', 'tcts', 'dpm_ide'}
    assert not any(row['quoted'] for row in summary['rows'][:7])
    head, lines = columns(summary)
    pga = dict(zip(head, next(line for line in lines if line[0] == 'PGA'), strict=True))
    assert (pga['mAP paper'], pga['top-1 paper'], pga['mAP ours']) == ('92.3', '94.7', '-')
    assert pga['seeds'] == 'quoted'
    assert 'quoted: the number of the paper' in to_markdown(summary)


def test_drawn_scenes_give_equal_time_and_real_ones_the_schedule():
    rows = plan('table8', Settings('synthetic', Path('runs'), iterations=300)).rows
    given = {
        row.name: next(o for o in row.runs[0].options if o.startswith('runner.max_iters'))
        for row in rows
        if row.runs and row.name != 'seqnet_cbgm'
    }
    times = load_table('table8_sota')
    for name, option in given.items():
        assert option == f'runner.max_iters={round(300 / times[name].get("time", 1))}'
    assert given['alignps'] == 'runner.max_iters=300' != given['seqnet']
    (run,) = plan('table8', Settings('prw', Path('runs'))).row('seqnet').runs
    assert not any('max_iters' in option for option in run.options)


def load_table(name):
    return Config.fromfile(str(tables.ROOT / f'configs/ablations/{name}/table.py')).table.rows


def test_dry_run_prints_what_is_left(work, capsys):
    assert start(*TABLE4, '--rows', 'oim') == 0
    capsys.readouterr()
    before = sorted(work.rglob('*'))
    assert start('table4', 'table2', '--dataset', 'synthetic', '--dry-run') == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == '# table4_loss/oim, seed 0: done'
    assert lines[1] == '# table4_loss/toim_no_lut, seed 0'
    assert 'train.py' in lines[2] and 'runner.max_iters=300' in lines[2]
    assert 'test_ps.py' in lines[3] and 'result.json' in lines[3]
    assert lines[-1] == '# table2_region/all, seed 0: above'
    assert sorted(work.rglob('*')) == before


def test_forecast_adds_up_what_is_left(work, capsys):
    """Alike trainings are timed once, finished ones are passed; of other seeds each counts."""
    assert start(*TABLE4, '--rows', 'oim') == 0
    capsys.readouterr()
    torch.save(dict(meta=dict(epoch=0, iter=24, epoch_iters=120)), work / 'meta.pth')
    (work / 'time').write_text('0.5')
    assert start(*TABLE4, '--seeds', '2', '--dry-run', '--forecast') == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if ' s x ' in line]
    assert told == [
        'table4_loss/oim: 0.500 s x 300 iterations x 1 seed(s) = 0.04 h',
        'table4_loss/toim_no_lut: 0.500 s x 300 iterations x 2 seed(s) = 0.08 h',
        'table4_loss/toim: 0.500 s x 300 iterations x 2 seed(s) = 0.08 h',
    ]
    assert lines[-1].startswith('in all 0.21 h of training with --gpus 1 on ')
    assert not any('tested' in line for line in ledger(work)[4:])


def test_forecast_of_a_training_that_fails_is_one_line(work, capsys):
    (work / 'fail').write_text('oim_synthetic')
    with pytest.raises(ValueError, match='oim: its training ended with 1: .*no picture'):
        start(*TABLE4, '--rows', 'oim', '--dry-run', '--forecast')


@pytest.mark.parametrize(
    'arguments, error, said',
    [
        (['table10', '--dataset', 'synthetic'], KeyError, "no table 'table10'; there are fig6"),
        (['table8', *TABLE4[1:], '--rows', 'ian'], ValueError, '--rows ian: is quoted from'),
        ([*TABLE4, '--rows', 'toim2'], KeyError, '--rows toim2: table4_loss has no such row'),
        (['table4', '--dataset', 'prw'], FileNotFoundError, 'data/prw/train.json: no such file'),
    ],
)
def test_bad_input(work, arguments, error, said):
    with pytest.raises(error, match=said):
        start(*arguments)
    assert not (work / 'work_dirs').exists()


def test_iterations_are_for_synthetic_data(work, capsys):
    assert start('table4', '--dataset', 'prw', '--iterations', '300') == 2
    assert '--iterations is for --dataset synthetic' in capsys.readouterr().err


def test_numbers_by_hand(tmp_path):
    settings = Settings('cuhk_sysu', tmp_path)
    table = plan('table4', settings, seeds=2)
    maps = dict(oim=[0.90, 0.91], toim=[0.93, 0.95])
    for name, values in maps.items():
        for run, value in zip(table.row(name).runs, values, strict=True):
            row = dict(protocol='G100', top1=value + 0.01)
            search = [row | dict(feature='alignps', mAP=0.5), row | dict(feature='both', mAP=value)]
            run.folder.mkdir(parents=True)
            detection = dict(AP=0.8, recall=0.9)
            run.result.write_text(json.dumps(dict(search=search, detection=detection)))
            run.trained.write_text(json.dumps(dict(seconds=120.0, gpus=2)))
    summary = summarize_table(table, settings, {'toim_no_lut': 'seed 0: out of memory'})
    oim, no_lut, toim = summary['rows']
    assert toim['paper'] == dict(mAP=93.1, top1=93.4)
    assert toim['ours']['mAP'] == pytest.approx(dict(mean=94.0, std=2**0.5))
    assert toim['difference']['mAP'] == pytest.approx(0.9)
    assert toim['difference']['top1'] == pytest.approx(1.6)
    assert toim['difference']['det_AP'] is None
    # 93 - 90 and 95 - 91.
    assert toim['effect']['mAP'] == pytest.approx(dict(mean=3.5, std=0.5**0.5))
    assert oim['effect'] is None and oim['difference']['mAP'] == pytest.approx(-1.9)
    assert no_lut['ours']['mAP'] is None and no_lut['runs'] == []
    assert [run['seed'] for run in toim['runs']] == [0, 1]
    head, lines = columns(summary)
    assert head[-3:] == ['detection recall ours', 'detection AP ours', 'seeds']
    found = ['90.0 ± 0.0', '80.0 ± 0.0', '2']
    assert lines == [
        ['OIM', '92.4', '90.5 ± 0.7', '-1.9', '-', '92.9', '91.5 ± 0.7', '-1.4', '-', *found],
        ['TOIM without LUT', '92.8', '-', '-', '-', '93.2', *['-'] * 5, 'failed'],
        ['TOIM with LUT (AlignPS)', '93.1', '94.0 ± 1.4', '+0.9', '+3.5 ± 0.7']
        + ['93.4', '95.0 ± 1.4', '+1.6', '+3.5 ± 0.7', *found],
    ]
    text = to_markdown(summary)
    assert (
        'Training took 2.0 minutes a run (2.0 - 2.0, 4 runs) with --gpus 2, 0.3 process hours in '
        'all.' in text
    )
    assert 'TOIM without LUT: seed 0: out of memory' in text
    path = write_reports(summary, tmp_path / 'out')
    assert path.read_text() == text
    assert json.loads(path.with_suffix('.json').read_text()) == summary
    with open(path.with_suffix('.csv')) as stream:
        oim = next(csv.DictReader(stream))
    assert (oim['mAP ours'], oim['top-1 ours']) == ('90.5 ± 0.7', '91.5 ± 0.7')
    assert len(oim) == len(columns(summary)[0])


def write_result(run, **numbers):
    run.folder.mkdir(parents=True)
    row = dict(protocol='all', feature='alignps', mAP=numbers['mAP'], top1=numbers['top1'])
    detection = dict(AP=numbers['AP'], recall=numbers['recall'])
    run.result.write_text(json.dumps(dict(search=[row], detection=detection)))


def test_detection_stands_beside_the_papers_where_the_table_has_it(tmp_path):
    settings = Settings('prw', tmp_path)
    table = plan('table1', settings)
    write_result(table.row('p5').runs[0], mAP=0.25, top1=0.6, AP=0.84, recall=0.85)
    head, lines = columns(summarize_table(table, settings, {}))
    p5 = dict(zip(head, lines[2], strict=True))
    assert p5 == {
        'row': 'P5',
        'mAP paper': '25.3',
        'mAP ours': '25.0',
        'mAP difference': '-0.3',
        'mAP against p3': '-',
        'top-1 paper': '57.4',
        'top-1 ours': '60.0',
        'top-1 difference': '+2.6',
        'top-1 against p3': '-',
        'detection recall paper': '85.7',
        'detection recall ours': '85.0',
        'detection recall difference': '-0.7',
        'detection AP paper': '83.7',
        'detection AP ours': '84.0',
        'detection AP difference': '+0.3',
        'seeds': '1',
    }


def test_what_the_paper_says_roughly_is_marked(tmp_path):
    settings = Settings('cuhk_sysu', tmp_path)
    summary = summarize_table(plan('fig6', settings), settings, {})
    head, lines = columns(summary)
    baseline, every = (dict(zip(head, lines[i], strict=True)) for i in (0, -1))
    assert (baseline['mAP paper'], baseline['top-1 paper']) == ('~70.1', '-')
    assert every['mAP paper'] == '93.1'
    assert '~: not in a table' in to_markdown(summary)


def test_result_without_a_rows_feature_is_named(tmp_path):
    settings = Settings('prw', tmp_path)
    table = plan('table6', settings)
    write_result(table.row('joint').runs[0], mAP=0.5, top1=0.5, AP=0.5, recall=0.5)
    with pytest.raises(ValueError, match="result.json: has no feature 'roi_align', only alignps"):
        summarize_table(table, settings, {})


# From the paper: mAP, top-1 (and recall, AP) of every row, in its order; CUHK-SYSU, then PRW.
PAPER = dict(
    table1="""93.1 93.4 90.3 81.2 | 45.9 81.9 94.8 92.9
              92.7 93.1 87.5 78.7 | 41.4 77.5 93.4 91.8
              89.3 89.5 79.0 71.7 | 25.3 57.4 85.7 83.7
              91.1 91.6 90.4 80.5 | 40.8 77.1 94.7 92.9
              90.0 90.5 90.9 80.4 | 39.5 74.3 95.4 93.5""",
    table2="""83.4 83.7 | 27.4 62.3
              90.6 90.8 | 39.4 74.7
              91.4 91.9 | 40.6 77.0
              84.0 84.1 | 29.1 62.4
              91.8 92.2 | 42.8 80.1
              90.7 91.0 | 39.6 75.3
              92.0 92.5 | 40.7 77.5
              93.1 93.4 | 45.9 81.9""",
    table3="""80.3 79.2 87.5 79.0 | 35.5 67.4 94.3 92.5
              77.1 75.9 89.1 78.6 | 31.8 64.3 96.9 92.8
              80.7 80.2 90.1 81.4 | 35.8 69.1 94.5 92.6
              93.1 93.4 90.3 81.2 | 45.9 81.9 94.8 92.9""",
    table4="""92.4 92.9 | 45.7 81.8
              92.8 93.2 | 45.8 81.8
              93.1 93.4 | 45.9 81.9""",
    table5="""93.1 93.4 | 45.9 81.9
              93.5 93.9 | 45.8 81.9
              93.5 94.0 | 45.9 82.1
              94.0 94.5 | 46.1 82.1""",
    table6="""92.0 92.3 | 43.1 80.7
              93.1 93.4 | 45.9 81.9
              93.0 93.6 | 44.5 81.3
              90.4 91.3 | 43.9 81.5
              93.2 92.8 | 44.9 80.0
              94.3 94.8 | 48.6 83.2
              93.4 93.8 | 47.5 84.5
              93.3 93.9 | 47.8 83.3
              94.0 94.1 | 46.4 81.2
              95.0 95.3 | 50.3 84.3""",
    table7="""95.0 95.3 | 50.3 84.3
              95.4 96.0 | 51.6 84.4
              95.3 95.9 | 50.4 85.3
              95.2 95.6 | 50.4 84.9
              95.4 95.8 | 51.1 84.0
              95.1 95.6 | 50.4 84.5
              95.4 95.8 | 50.0 84.6
              95.1 95.3 | 51.4 85.2""",
    table8="""75.5 78.7 | 21.3 49.4
              91.5 92.4 | 43.3 80.9
              92.1 92.9 | 44.0 81.1
              93.8 94.6 | 46.7 83.4
              94.8 95.7 | 47.6 87.6
              93.1 93.4 | 45.9 81.9
              95.4 96.0 | 51.6 84.4
              76.3 80.1 | 23.0 61.9
              77.9 81.2 | 24.2 53.1
              79.3 81.3 |
              84.1 86.5 | 33.4 73.6
              88.9 89.1 | 37.1 76.7
              89.7 90.8 | 39.8 80.4
              90.0 90.7 | 45.3 81.7
              92.3 94.7 | 44.2 85.2
              93.1 94.2 | 50.5 87.1
                        | 20.5 48.3
              83.3 83.9 | 32.8 72.1
              87.2 88.5 | 38.7 65.0
              93.0 94.2 | 42.9 70.2
              90.3 91.4 | 47.2 87.0
              92.3 93.8 | 52.3 71.5
              93.9 95.1 | 46.8 87.5""",
)


@pytest.mark.parametrize('name', PAPER)
def test_every_row_has_the_papers_numbers(name):
    lines = [line.split('|') for line in PAPER[name].splitlines()]
    for place, dataset in enumerate(('cuhk_sysu', 'prw')):
        rows = plan(name, Settings(dataset, Path('runs'))).rows
        said = [[float(number) for number in line[place].split()] for line in lines]
        assert [list(row.paper.values()) for row in rows] == said
        assert not any(row.about for row in rows)
