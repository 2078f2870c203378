import json
from pathlib import Path

import pytest
from matplotlib.colors import to_rgba
from mmcv import Config

from mmdet_ps.core.visualization.gallery_curve import draw_curves, read_curve

ROOT = Path(__file__).parents[3]


def report(path, numbers, features=('other', 'alignps')):
    """Every feature before the last has half of the numbers."""
    rows = [
        dict(feature=name, protocol=gallery, mAP=share * value, top1=share * value / 2,
             top5=1.0, top10=1.0)
        for gallery, value in numbers.items()
        for name, share in zip(features, (0.5, 1), strict=True)
    ]  # fmt: skip
    path.write_text(json.dumps(dict(search=rows)))
    return path


def test_lines_show_the_reports(tmp_path):
    first = report(tmp_path / 'a.json', {'G100': 0.9, 'G50': 0.95, 'all': 0.5, 'cross': 0.1})
    second = report(tmp_path / 'b.json', {'G50': 0.8})
    more = report(tmp_path / 'b2.json', {'G4000': 0.25})
    runs = {'a': read_curve([first]), 'b': read_curve([second, more], 'alignps')}
    left, right = draw_curves(runs, 'A title').axes
    assert left.lines[0].get_xdata().tolist() == [50, 100, 8000]
    assert left.lines[0].get_ydata().tolist() == pytest.approx([95, 90, 50])
    assert left.lines[1].get_xdata().tolist() == [50, 4000]
    assert left.get_ylabel() == 'mAP (%)' and right.get_ylabel() == 'top-1 (%)'
    assert right.lines[1].get_ydata().tolist() == pytest.approx([40, 12.5])
    assert [label.get_text() for label in left.get_xticklabels()] == ['50', '100', '4000', 'all']
    assert [text.get_text() for text in left.get_legend().get_texts()] == ['a', 'b']
    assert left.figure.get_suptitle() == 'A title'


def test_a_feature_can_be_chosen(tmp_path):
    path = report(tmp_path / 'a.json', {'G50': 0.8, 'G100': 0.6})
    assert [row.mAP for row in read_curve([path], 'other').values()] == [0.4, 0.3]
    assert [row.mAP for row in read_curve([path]).values()] == [0.8, 0.6]


def test_the_papers_numbers_are_dotted_and_only_where_it_states_them(tmp_path):
    path = report(tmp_path / 'a.json', {'G50': 0.9, 'G4000': 0.6})
    runs = {'a': read_curve([path])}
    assert all(len(axis.lines) == 1 for axis in draw_curves(runs).axes)
    figure = draw_curves(runs, paper=True)
    rows = [
        table(name).rows[row].paper.cuhk_sysu[:2]
        for name, row in (('table6_structure', 'alignps'), ('table7_mutual', 'mi'))
    ]
    for axis, numbers in zip(figure.axes, zip(*rows, strict=True), strict=True):
        own, *stated = axis.lines
        assert (
            len({to_rgba(line.get_color()) for line in axis.lines}) == 3
            and own.get_linestyle() == '-'
        )
        assert [label.get_text() for label in axis.get_xticklabels()] == ['50', '100', '4000']
        for line, number in zip(stated, numbers, strict=True):
            assert line.get_linestyle() == ':' and list(line.get_ydata()) == [number] * 2
            # A ring at 100 pictures, and from there to the axis.
            assert line.get_xdata()[1] == 100 and line.get_markevery() == [1]
            assert line.get_xdata()[0] == axis.get_xlim()[0] < 50
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ['a', 'AlignPS, paper, CUHK-SYSU', 'ROI-AlignPS, paper, CUHK-SYSU']


def table(name):
    return Config.fromfile(str(ROOT / 'configs/ablations' / name / 'table.py')).table


def test_what_cannot_be_drawn_is_told(tmp_path):
    path = report(tmp_path / 'a.json', {'G50': 0.8})
    with pytest.raises(KeyError, match='a.json: no feature roi in the report; it has other, align'):
        read_curve([path], 'roi')
    for numbers in ({'all': 0.9, 'cross': 0.8}, {'G0': 0.5}, {'G' + '9' * 5000: 0.5}):
        with pytest.raises(ValueError, match='a.json: no gallery size to draw'):
            read_curve([report(path, numbers)])
