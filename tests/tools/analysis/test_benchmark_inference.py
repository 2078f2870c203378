import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from mmdet_ps.apis import load_config, load_model
from mmdet_ps.utils import timing
from mmdet_ps.utils.cli import run_tool

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / 'tools' / 'analysis'))

import benchmark_inference as tool  # noqa: E402
import model_benchmark  # noqa: E402

CONFIGS = ROOT / 'configs'
SMALL = [str(CONFIGS / f'synthetic/{name}_tiny.py') for name in ('nae', 'alignps', 'roi_alignps')]


class Clock:
    """Stands still but for what is spent on purpose."""

    def __init__(self, monkeypatch):
        self.time = 0.0
        monkeypatch.setattr(timing, 'now', lambda: self.time)

    def spend(self, seconds):
        self.time += seconds


class Head(nn.Module):
    def __init__(self, clock, inner=None):
        super().__init__()
        self.clock, self.inner = clock, inner

    def get_bboxes(self, fails=False):
        if self.inner:
            self.inner.get_bboxes()
        self.clock.spend(2)
        if fails:
            raise RuntimeError
        return 'boxes'


class Model(nn.Module):
    """Spends 5 s and 2 s in its heads on two pictures with 3 and 4 people."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.head = clock, Head(clock)

    def forward(self, return_loss, rescale, img):
        assert not return_loss and rescale and not torch.is_grad_enabled()
        self.clock.spend(4)
        assert self.head.get_bboxes() == 'boxes'
        self.clock.spend(1)
        return [dict(bboxes=np.zeros((3, 5))), dict(bboxes=np.zeros((4, 5)))]


def test_parts_of_the_time(monkeypatch):
    """Reading, heads and the rest are told apart, a picture of the batch."""
    clock = Clock(monkeypatch)
    model = Model(clock)
    watch = tool.Stopwatch(model)
    entered = []

    class Form:
        def __enter__(self):
            entered.append('in')

        def __exit__(self, *error):
            entered.append('out')

    def read(run):
        clock.spend(run)
        return dict(img=None)

    call = tool.test_call(model, watch, read, Form)
    for _ in range(2):
        assert call(3) == dict(people=3.5, reading=1.5, network=2.5, post=1.0, whole=5.0)
    assert entered == ['in', 'out'] * 2


def test_heads_inside_of_heads_count_once(monkeypatch):
    clock = Clock(monkeypatch)
    outer = Head(clock, Head(clock))
    watch = tool.Stopwatch(outer)
    outer.get_bboxes()
    assert watch.total == 4
    with pytest.raises(RuntimeError):
        outer.get_bboxes(fails=True)
    outer.inner.get_bboxes()
    assert watch.total == 4 + 4 + 2
    with pytest.raises(ValueError, match='get_bboxes'):
        tool.Stopwatch(nn.Linear(1, 1))


def test_names(tmp_path):
    weights = tmp_path / 'x.pth'
    weights.touch()
    assert model_benchmark.name_models([f'c/a.py={weights}', 'b/a.py', 'b.py']) == [
        ('a', 'c/a.py', str(weights)),
        ('a #2', 'b/a.py', None),
        ('b', 'b.py', None),
    ]
    with pytest.raises(FileNotFoundError, match='no.pth'):
        model_benchmark.name_models(['a.py=no.pth'])


def test_ratios_are_of_the_medians(tmp_path, capsys):
    class Args:
        csv, json, batch, runs = tmp_path / 'a.csv', tmp_path / 'a.json', 1, 3

    measured = [dict(part=[1.0], whole=[2.0, 1.0, 9.0]), dict(part=[4.0], whole=[8.0, 1.0, 3.0])]
    model_benchmark.report(Args, [dict(model='a'), dict(model='b')], measured, 'whole', what='test')
    first, second = csv.DictReader((tmp_path / 'a.csv').open())
    assert first['ratio'] == '1.0' and second['ratio'] == '1.5'
    assert [second[f'whole_{of}_ms'] for of in ('median', 'min', 'max')] == [
        '3000.0',
        '1000.0',
        '8000.0',
    ]
    assert second['what'] == 'test' and second['runs'] == '3' and second['device']
    saved = json.loads((tmp_path / 'a.json').read_text())
    assert saved['models'][1]['seconds'] == measured[1] and saved['settings']['batch'] == 1
    assert '3000.0' in capsys.readouterr().out.splitlines()[-1]


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['benchmark_inference.py', *map(str, arguments)])
    run_tool(tool.main)


def test_all_models_on_the_same_noise(tmp_path, monkeypatch, capsys):
    out = tmp_path / 'a.csv'
    arguments = ('--shape', 65, 100, '--batch', 2, '--runs', 2, '--warmup', 0, '--people', 7)
    run(monkeypatch, *SMALL, *arguments, '--compare-operator', '--csv', out)
    rows = list(csv.DictReader(out.open()))
    assert [row['model'] for row in rows] == [
        name + form
        for name in ('nae_tiny', 'alignps_tiny', 'roi_alignps_tiny')
        for form in ('', ' (mmcv operator)')
    ]
    for row in rows:
        assert float(row['people']) == 7.0 and row['shape'] == '65x100'
        whole, network, post = (
            float(row[f'{part}_min_ms']) for part in ('whole', 'network', 'post')
        )
        assert 0 < post < network < whole and network + post <= whole + 0.01
        assert 'reading_median_ms' not in row
    assert float(rows[1]['parameters_m']) == pytest.approx(1.676657)
    assert len(capsys.readouterr().out.splitlines()) == 8


def test_people_are_those_of_the_average_run(tmp_path, monkeypatch):
    lists = dict(people=[1.0, 2.0, 6.0], reading=[0.0] * 3, whole=[1.0, 2.0, 3.0])
    monkeypatch.setattr(timing, 'in_turn', lambda calls, runs, warmup: [dict(lists)])
    out = tmp_path / 'a.json'
    run(monkeypatch, SMALL[1], '--shape', 65, 65, '--runs', 3, '--json', out)
    (model,) = json.loads(out.read_text())['models']
    assert model['people'] == 3.0 and model['seconds'] == dict(whole=[1.0, 2.0, 3.0])


def test_noise_is_padded():
    img, metas = model_benchmark.noise((50, 70), 2)
    assert img.shape == (2, 3, 64, 96) and len(metas) == 2
    assert metas[0]['img_shape'] == (50, 70, 3) and metas[0]['pad_shape'] == (64, 96, 3)
    assert not img[:, :, 50:].any() and not img[..., 70:].any() and img[:, :, :50, :70].all()
    assert not torch.equal(img[0], img[1])
    assert torch.equal(img, model_benchmark.noise((50, 70), 2)[0])


@pytest.fixture
def pictures(tmp_path):
    """Three pictures of different brightness and another file."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    (folder / 'notes.txt').write_text('none')
    for i, name in enumerate(('c.png', 'a.JPG', 'b.jpg')):
        cv2.imwrite(str(folder / name), np.full((100, 200, 3), 60 * (i + 1), np.uint8))
    return folder


def test_pictures_are_read_in_turn(pictures):
    cfg = load_config(SMALL[1])
    files = tool.picture_files(pictures)
    assert [path.name for path in files] == ['a.JPG', 'b.jpg', 'c.png']
    read = tool.picture_reader(cfg, (50, 90), files, 2)
    names = [
        [Path(meta['filename']).name for meta in read(number)['img_metas'][0]]
        for number in range(3)
    ]
    assert names == [['a.JPG', 'b.jpg'], ['c.png', 'a.JPG'], ['b.jpg', 'c.png']]
    data = read(0)
    # 100 x 200 fits into 50 x 90 as 45 x 90.
    assert data['img_metas'][0][0]['img_shape'] == (45, 90, 3)
    assert data['img'][0].shape == (2, 3, 64, 96)
    own = tool.picture_reader(load_config(SMALL[1]), None, files, 1)(0)
    assert own['img_metas'][0][0]['img_shape'] == (240, 480, 3)


def test_real_pictures(pictures, tmp_path, monkeypatch, capsys):
    """From the file to boxes in its own pixels, with the weights that are given."""
    weights = tmp_path / 'random.pth'
    torch.manual_seed(3)
    model = load_model(load_config(SMALL[1]), None)
    with torch.no_grad():
        model.bbox_head.conv_cls.bias.fill_(-20)
    torch.save(dict(state_dict=model.state_dict()), weights)
    out = tmp_path / 'a.csv'
    run(
        monkeypatch,
        *(SMALL[1], f'{SMALL[1]}={weights}', '--images', pictures),
        *('--shape', 80, 128, '--runs', 3, '--warmup', 1, '--csv', out),
    )
    random, given = csv.DictReader(out.open())
    assert float(random['people']) > 1 and float(given['people']) == 0
    assert given['checkpoint'] == str(weights) and given['pictures'] == str(pictures)
    assert 0 < float(given['reading_median_ms']) < float(given['whole_median_ms'])
    assert 'reading' in capsys.readouterr().out


def test_wrong_input_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / 'empty').mkdir()
    small = SMALL[1]
    for arguments, told in (
        ((small, '--shape', 64, 90), '--shape [64, 90] must be from 65 on'),
        ((small, '--runs', 0), '--runs 0'),
        ((small, '--people', 0), '--people 0'),
        ((f'{small}=no.pth',), 'no.pth: no such checkpoint'),
        ((tmp_path / 'no.py',), 'no.py: no such config'),
        ((small, '--images', tmp_path / 'empty'), 'empty: no folder with .jpg'),
        ((small, '--csv', tmp_path), 'is a folder'),
        ((small, '--cfg-options', 'model.neck.laterl=1'), 'laterl'),
        *([] if torch.cuda.is_available() else [((small, '--fp16'), 'CUDA')]),
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            run(monkeypatch, *arguments)
        assert stop.value.code == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if 'error: ' in line]
        assert len(lines) == 1 and told in lines[0]


@pytest.mark.parametrize(
    'name', ['benchmark_inference', 'benchmark_training', 'sampling_locations']
)
def test_help_needs_no_torch(name):
    code = f"""
import runpy, sys
sys.path.insert(0, 'tools/analysis')
sys.argv = ['tool', '--help']
try:
    runpy.run_path('tools/analysis/{name}.py', run_name='__main__')
except SystemExit:
    print([module for module in ('torch', 'mmcv', 'cv2') if module in sys.modules])
"""
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert 'usage' in done.stdout and done.stdout.splitlines()[-1] == '[]'
