import datetime

import pytest

from mmdet_ps.gallery.times import format_time, parse_time


@pytest.mark.parametrize(
    ('text', 'seconds'),
    [('90', 90), ('12.5', 12.5), ('1:30', 90), ('1:01:30.5', 3690.5), (7, 7.0), ('0:00', 0)],
)
def test_times_into_a_video(text, seconds):
    assert parse_time(text) == seconds


def test_dates_are_of_this_time_zone_unless_they_name_one():
    assert parse_time('2026-05-01T14:30+00:00') == 1777645800
    here = datetime.datetime(2026, 5, 1, 14, 30)
    assert parse_time('2026-05-01T14:30') == here.timestamp() == parse_time(here)


@pytest.mark.parametrize('text', ['', 'soon', '1:99:', '-5', '1:2', 'nan', '2026-13-01'])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match='not a time'):
        parse_time(text)


def test_times_for_people():
    assert format_time(None) == ''
    assert format_time(0) == '0:00'
    assert format_time(59.96) == '1:00'
    assert format_time(90.54) == '1:30.5'
    assert format_time(3690.5) == '1:01:30.5'
    moment = datetime.datetime(2026, 5, 1, 14, 30, 5, 250000).timestamp()
    assert format_time(moment) == '2026-05-01 14:30:05.2'
    assert format_time(moment - 0.25) == '2026-05-01 14:30:05'
