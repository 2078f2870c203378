import json

import pytest

from mmdet_ps.utils.tables import format_rows, write_csv, write_json

ROWS = [dict(model='a, small', ms=1.234, people=10), dict(model='b', ms=100.0, people=None)]


def test_text_lines_up():
    columns = {'model': ('model', '{}'), 'peak': ('peak', '{}'), 'ms': ('time (ms)', '{:.1f}')}
    assert format_rows(ROWS, columns).splitlines() == [
        'model     time (ms)',
        'a, small        1.2',
        'b             100.0',
    ]


def test_files_hold_the_rows(tmp_path):
    write_csv(ROWS, tmp_path / 'new' / 'a.csv')
    assert (tmp_path / 'new' / 'a.csv').read_text() == (
        'model,ms,people\n"a, small",1.234,10\nb,100.0,\n'
    )
    write_json(ROWS, tmp_path / 'a.json')
    assert json.loads((tmp_path / 'a.json').read_text()) == ROWS


def test_what_stood_there_stays_on_an_error(tmp_path):
    for name, write, bad in (
        ('a.json', write_json, [1, object()]),
        ('a.csv', write_csv, [dict(a=1), dict(b=1)]),
    ):
        (tmp_path / name).write_text('before')
        with pytest.raises((TypeError, ValueError)):
            write(bad, tmp_path / name)
        assert (tmp_path / name).read_text() == 'before'
    assert len(list(tmp_path.iterdir())) == 2
