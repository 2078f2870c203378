import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def report(path, numbers, **wrong):
    rows = [
        dict(feature='alignps', protocol=name, mAP=n, top1=n / 2, top5=1.0, top10=1.0) | wrong
        for name, n in numbers.items()
    ]
    path.write_text(json.dumps(dict(search=rows)))
    return path


def run(*args):
    command = [sys.executable, 'tools/analysis/plot_gallery_curve.py', *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_picture(tmp_path):
    path = report(tmp_path / 'a.json', {'G50': 0.9, 'G100': 0.8})
    done = run(path, '--out', tmp_path / 'new' / 'curve.png')
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'new' / 'curve.png').read_bytes().startswith(b'\x89PNG')


def test_wrong_input_is_one_line(tmp_path):
    path = report(tmp_path / 'a.json', {'G50': 0.9})
    prw = report(tmp_path / 'prw.json', {'all': 0.9, 'cross': 0.8})
    text = report(tmp_path / 'text.json', {'G50': 0.9}, mAP='0.9')
    (tmp_path / 'x.json').write_text('[1]')
    out = tmp_path / 'c.png'
    for args, told in (
        ((tmp_path / 'x.json', '--out', out), 'not a report'),
        ((text, '--out', out), 'text.json: not a report of tools/test_ps.py --json: Expected'),
        ((tmp_path / 'none.json', '--out', out), 'No such file'),
        ((prw, '--out', out), 'no gallery size'),
        ((path, path, '--out', out), 'different --labels'),
        ((path, '--out', tmp_path / 'c.txt'), '.png, .pdf or .svg'),
        ((path, '--out', out, '--feature', 'roi'), 'no feature roi'),
    ):
        done = run(*args)
        assert done.returncode == 2
        assert done.stderr.count('\n') == 1 and told in done.stderr
    assert not out.exists()
