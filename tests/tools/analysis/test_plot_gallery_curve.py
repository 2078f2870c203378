import json
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / 'tools' / 'analysis'))

import plot_gallery_curve as tool  # noqa: E402


def report(path, numbers, feature='alignps'):
    rows = [
        dict(feature=name, protocol=gallery, mAP=value, top1=value / 2)
        for gallery, value in numbers.items()
        for name in ('other', feature)
    ]
    path.write_text(json.dumps(dict(search=rows)))
    return str(path)


def run(*args):
    command = [sys.executable, 'tools/analysis/plot_gallery_curve.py', *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_lines_show_the_reports(tmp_path):
    first = report(tmp_path / 'a.json', {'G100': 0.9, 'G50': 0.95, 'all': 0.5, 'cross': 0.1})
    second = report(tmp_path / 'b.json', {'G50': 0.8})
    more = report(tmp_path / 'b2.json', {'G4000': 0.25})
    runs = {'a': tool.read_run(first, None), 'b': tool.read_run(f'{second},{more}', 'alignps')}
    figure = tool.draw(runs)
    left, right = figure.axes
    assert left.lines[0].get_xdata().tolist() == [50, 100, 8000]
    assert left.lines[0].get_ydata().tolist() == pytest.approx([95, 90, 50])
    assert left.lines[1].get_xdata().tolist() == [50, 4000]
    assert right.lines[1].get_ydata().tolist() == pytest.approx([40, 12.5])
    assert [label.get_text() for label in left.get_xticklabels()] == ['50', '100', '4000', 'all']
    assert [text.get_text() for text in left.get_legend().get_texts()] == ['a', 'b']
    plt.close(figure)


def test_picture(tmp_path):
    path = report(tmp_path / 'a.json', {'G50': 0.9, 'G100': 0.8})
    done = run(path, '--out', tmp_path / 'new' / 'curve.png')
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'new' / 'curve.png').read_bytes().startswith(b'\x89PNG')


def test_wrong_input_is_one_line(tmp_path):
    path = report(tmp_path / 'a.json', {'G50': 0.9})
    prw = report(tmp_path / 'prw.json', {'all': 0.9, 'cross': 0.8})
    (tmp_path / 'x.json').write_text('[1]')
    out = tmp_path / 'c.png'
    for args, told in (
        ((tmp_path / 'x.json', '--out', out), 'not a report'),
        ((tmp_path / 'none.json', '--out', out), 'No such file'),
        ((prw, '--out', out), 'no gallery size'),
        ((path, path, '--out', out), 'different --labels'),
        ((path, '--out', tmp_path / 'c.txt'), '.png, .pdf or .svg'),
        ((path, '--out', out, '--feature', 'roi'), 'has no feature roi'),
    ):
        done = run(*args)
        assert done.returncode == 2
        assert done.stderr.count('\n') == 1 and told in done.stderr
    assert not out.exists()
