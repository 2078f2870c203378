import json

import msgspec
import pytest

from mmdet_ps.core.report_file import read_report


def row(feature='alignps', protocol='G50', **numbers):
    return dict(
        dict(feature=feature, protocol=protocol, mAP=0.5, top1=0.25, top5=1, top10=1.0), **numbers
    )


def written(tmp_path, content):
    path = tmp_path / 'a.json'
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text)
    return path


def test_rows_are_the_last_of_each_protocol(tmp_path):
    """Of a model with several features that is their concatenation."""
    rows = [
        row(feature, protocol, mAP=i / 10)
        for i, (protocol, feature) in enumerate(
            (protocol, feature)
            for protocol in ('G50', 'all')
            for feature in ('alignps', 'roi_align', 'concatenation')
        )
    ]
    report = read_report(written(tmp_path, dict(search=rows, detection=None, settings={})))
    found = report.rows_of()
    assert {name: (r.feature, r.mAP) for name, r in found.items()} == {
        'G50': ('concatenation', 0.2),
        'all': ('concatenation', 0.5),
    }
    assert [r.mAP for r in report.rows_of('roi_align').values()] == [0.1, 0.4]
    with pytest.raises(KeyError, match='no feature roi .* it has alignps, roi_align, concat'):
        report.rows_of('roi')


@pytest.mark.parametrize(
    'content, said',
    [
        ('[1]', 'Expected `object`, got `array`'),
        ('{"search": [', 'truncated'),
        ('text', 'malformed'),
        ({}, 'missing required field `search`'),
        (dict(search=[]), 'without numbers of a search'),
        (dict(search=[row(mAP='0.9')]), r'Expected `float`, got `str` - at `\$.search\[0\].mAP`'),
        (dict(search=[row(), row(top1=None)]), r'got `null` - at `\$.search\[1\].top1`'),
        (dict(search=[row(top1=80.9)]), r'<= 1.* - at `\$.search\[0\].top1`'),
        (dict(search=[row(mAP=-0.1)]), r'>= 0'),
        (dict(search=[row(mAP=float('nan'))]), 'a.json'),
        (dict(search=[{'feature': 'a', 'protocol': 'G50'}]), 'missing required field `mAP`'),
        (dict(search=[row(protocol=50)]), r'\$.search\[0\].protocol'),
        ('[' * 100_000, 'a.json'),
    ],
)  # fmt: skip
def test_what_is_no_report_is_one_line(tmp_path, content, said):
    with pytest.raises(ValueError, match=said) as caught:
        read_report(written(tmp_path, content))
    assert 'a.json: ' in str(caught.value) and '\n' not in str(caught.value)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / 'a.json'
    path.write_bytes(b'{"search": [{"feature": "\xff\xfe"}]}')
    with pytest.raises(ValueError, match='a.json'):
        read_report(path)
    with pytest.raises(FileNotFoundError):
        read_report(tmp_path / 'none.json')


def test_flipped_bits_are_one_line(tmp_path):
    whole = json.dumps(dict(search=[row()], detection=None)).encode()
    path = tmp_path / 'a.json'
    for place in range(len(whole)):
        for bit in range(8):
            broken = bytearray(whole)
            broken[place] ^= 1 << bit
            path.write_bytes(broken)
            try:
                report = read_report(path)
            except ValueError as error:
                assert 'a.json' in str(error)
            else:
                (found,) = report.search
                assert all(0 <= n <= 1 for n in msgspec.structs.astuple(found)[2:])
