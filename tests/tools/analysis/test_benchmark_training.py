import argparse
import csv
import os
import sys
from pathlib import Path

import pytest
import torch
from mmcv.runner import build_optimizer
from mmdet.models import build_detector

from mmdet_ps.apis import load_config
from mmdet_ps.utils.cli import run_tool

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / 'tools' / 'analysis'))

import benchmark_training as tool  # noqa: E402
import model_benchmark  # noqa: E402

SMALL = ROOT / 'configs/synthetic'
FULL = [
    'alignps/alignps_r50_prw',
    'alignps/alignps_r50-dcn_cuhk',
    'roi_alignps/roi_alignps_r50_prw',
    'baselines/nae_r50_prw',
]


def options(*arguments):
    parser = argparse.ArgumentParser()
    model_benchmark.add_options(parser)
    return parser.parse_args(list(map(str, arguments)))


def test_batch_has_people_inside():
    data = tool.drawn_batch((200, 400), 2)
    assert data['img'].shape == (2, 3, 224, 416)
    assert data['gt_bboxes'][1][0].tolist() == pytest.approx([64, 60, 96, 140])
    assert data['gt_pids'][0].tolist() == [0, 1, 2, -1]
    for boxes in data['gt_bboxes']:
        assert (boxes >= 0).all() and (boxes[:, 2] <= 400).all() and (boxes[:, 3] <= 200).all()
    assert data['gt_labels'][1].tolist() == [0, 0, 0, 0]


def test_steps_are_those_of_a_training(monkeypatch):
    """Counted and warm-up steps leave the weights of a plain loop with clipped gradients."""
    cfg = load_config(SMALL / 'alignps_tiny.py')
    plain = build_detector(cfg.model)
    built = []

    def build(*args):
        built.extend(model_benchmark.build(*args))
        plain.load_state_dict(built[0].state_dict())
        return tuple(built)

    monkeypatch.setattr(tool, 'build', build)
    args = options('a.py', '--shape', 80, 96, '--runs', 2, '--warmup', 1)
    parameters, before, peak, times = tool.train_alone(SMALL / 'alignps_tiny.py', None, args)
    assert len(times) == 2 and min(times) > 0 and parameters == pytest.approx(2.117575)
    assert 100 < before <= peak
    plain.train()
    optimizer = build_optimizer(plain, cfg.optimizer)
    torch.manual_seed(0)
    for _ in range(3):
        optimizer.zero_grad()
        plain.train_step(tool.drawn_batch((80, 96), 1), None)['loss'].backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 10)
        optimizer.step()
    for name, tensor in built[0].state_dict().items():
        torch.testing.assert_close(tensor, plain.state_dict()[name], msg=name)


@pytest.mark.slow
@pytest.mark.parametrize('name', FULL)
def test_full_size_models_make_a_step(name):
    args = options('a.py', '--shape', 80, 96, '--runs', 1, '--warmup', 0)
    _, _, _, times = tool.train_alone(ROOT / f'configs/{name}.py', None, args)
    assert times[0] > 0


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['benchmark_training.py', *map(str, arguments)])
    run_tool(tool.main)


def test_table(tmp_path, monkeypatch, capsys):
    out = tmp_path / 'a.csv'
    shape = ('--shape', 80, 96, '--runs', 1, '--warmup', 0)
    run(monkeypatch, SMALL / 'roi_alignps_tiny.py', *shape, '--csv', out)
    (row,) = csv.DictReader(out.open())
    assert row['model'] == 'roi_alignps_tiny' and row['shape'] == '80x96'
    assert row['ratio'] == '1.0' and float(row['step_median_ms']) > 0
    assert 100 < float(row['before_mib']) <= float(row['peak_mib'])
    assert capsys.readouterr().out.splitlines()[-1].startswith('roi_alignps_tiny')


def test_each_has_a_process():
    ids = {tool.in_own_process('a model', os.getpid) for _ in range(2)}
    assert len(ids) == 2 and os.getpid() not in ids
    with pytest.raises(OSError, match='a model: its process was killed'):
        tool.in_own_process('a model', os._exit, 1)


def test_wrong_input_is_one_line(tmp_path, monkeypatch, capsys):
    bad = tmp_path / 'bad.pth'
    torch.save(dict(state_dict=dict(a=torch.zeros(1))), bad)
    small = SMALL / 'alignps_tiny.py'
    for arguments, told in (
        # Of the last model, before the first is trained.
        ((small, tmp_path / 'no.py'), 'no.py: no such config'),
        ((f'{small}={bad}', '--shape', 80, 96), 'not a checkpoint of this config'),
        ((small, '--cfg-options', 'fp16.loss_scale=512.0'), 'not of fp16'),
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            run(monkeypatch, *arguments)
        assert stop.value.code == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if 'error: ' in line]
        assert len(lines) == 1 and told in lines[0]
