import pytest
from torch.utils.data import DataLoader, Dataset

from mmdet_ps.utils.cli import run_tool
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


def test_defects_keep_their_traceback():
    with pytest.raises(TypeError):
        run_tool(raising(TypeError('ours')))


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
