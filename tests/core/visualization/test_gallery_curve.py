import json

import pytest

from mmdet_ps.core.visualization.gallery_curve import draw_curves, read_curve


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


def test_what_cannot_be_drawn_is_told(tmp_path):
    path = report(tmp_path / 'a.json', {'G50': 0.8})
    with pytest.raises(KeyError, match='a.json: no feature roi in the report; it has other, align'):
        read_curve([path], 'roi')
    for numbers in ({'all': 0.9, 'cross': 0.8}, {'G0': 0.5}, {'G' + '9' * 5000: 0.5}):
        with pytest.raises(ValueError, match='a.json: no gallery size to draw'):
            read_curve([report(path, numbers)])
