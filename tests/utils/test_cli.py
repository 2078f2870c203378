import argparse
import subprocess
import sys

import pytest
from torch.utils.data import DataLoader, Dataset

from mmdet_ps.utils import cli
from mmdet_ps.utils.cli import add_cfg_options, progress, run_tool
from mmdet_ps.utils.pictures import PictureError


def said(main, capsys):
    with pytest.raises(SystemExit) as left:
        run_tool(main)
    return left.value.code, capsys.readouterr().err


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    'error, line',
    [
        (ValueError('a.json: cut\n  here'), 'error: a.json: cut here\n'),
        (KeyError("no key 'x'"), "error: no key 'x'\n"),
        (
            FileNotFoundError('a.json: no such file; make it'),
            'error: a.json: no such file; make it\n',
        ),
        (
            OSError(28, 'No space left on device', 'a.npz'),
            'error: a.npz: No space left on device\n',
        ),
        (PictureError('a.jpg: truncated'), 'error: a.jpg: truncated\n'),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(error, line, capsys):
    assert said(raising(error), capsys) == (2, line)


@pytest.mark.parametrize('error', [TypeError('ours'), KeyError('query_feats'), KeyError(3)])
def test_defects_keep_their_traceback(error):
    with pytest.raises(type(error)) as left:
        run_tool(raising(error))
    assert left.value is error


class Broken(Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 2

    def __getitem__(self, idx):
        raise self.error


@pytest.mark.parametrize(
    'error',
    [PictureError('x/a.jpg: the picture is truncated'), ValueError('b: c')],
)
def test_errors_of_loader_workers_come_without_their_traceback(error, capsys):
    loader = DataLoader(Broken(error), num_workers=1)
    code, line = said(lambda: list(loader), capsys)
    assert code == 2
    assert line == f'error: {error.args[0]}\n'


def test_cfg_options_are_texts_that_add_up():
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    assert parser.parse_args([]).cfg_options is None
    given = parser.parse_args(['--cfg-options', 'a.b=1', 'c=d=e', '--cfg-options', 'f='])
    assert given.cfg_options == ['a.b=1', 'c=d=e', 'f=']


@pytest.mark.parametrize('text', ['a', '=1'])
def test_cfg_option_without_key_or_value(text, capsys):
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    with pytest.raises(SystemExit) as left:
        parser.parse_args(['--cfg-options', text])
    assert left.value.code == 2
    assert f'{text!r} is not KEY=VALUE' in capsys.readouterr().err


def test_progress_in_a_log_is_a_line_now_and_then(capsys, monkeypatch):
    assert list(progress('counting', range(50))) == list(range(50))
    with progress('counting', total=5) as bar:
        bar.update(5)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ''  # What is short says nothing.
    monkeypatch.setattr(cli, 'SECONDS_A_LINE', 0)
    list(progress('counting', range(3)))
    list(progress('hidden', range(3), hidden=True))
    captured = capsys.readouterr()
    assert captured.out == ''
    lines = [line for line in captured.err.split('\n') if line]
    assert lines[-1].startswith('counting: 3/3, ') and '\r' not in captured.err
    assert all(line.startswith('counting: ') for line in lines)


def test_progress_on_a_terminal_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True, raising=False)
    list(progress('counting', range(3)))
    assert 'counting: 100%' in capsys.readouterr().err


def test_mmcv_does_not_advertise_itself():
    code = (
        'from mmdet_ps.utils.cli import run_tool\n\ndef main():\n    import mmcv\n\nrun_tool(main)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert 'MMCV' not in done.stderr and 'mmcv' not in done.stderr
