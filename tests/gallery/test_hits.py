import csv
import json

import numpy as np
import pytest

from mmdet_ps.gallery import Hit, Hits
from mmdet_ps.utils.pictures import PictureError

from .stub import STEP, picture, write_picture, write_video


def hit(source, position, similarity, **more):
    box = (10.0, 5.0, 30.0, 55.5)
    return Hit(source, position, box, 0.9, similarity, position=position, **more)


def test_hits_of_a_video_close_in_time_are_an_appearance():
    hits = Hits(
        (
            hit('b.mp4', 50.0, 0.9),
            hit('a.mp4', 11.0, 0.8, camera='north'),
            hit('a.mp4', 10.0, 0.7, camera='north'),
            hit('x.jpg', None, 0.65),
            hit('a.mp4', 20.0, 0.6),
            hit('a.mp4', 13.0, 0.5, camera='north'),
            hit('x.jpg', None, 0.4),
            hit('b.mp4', 10.5, 0.3),
        )
    )
    found = hits.together(2)
    assert [(a.source, a.start, a.end, a.best.similarity, len(a.hits)) for a in found] == [
        ('b.mp4', 50.0, 50.0, 0.9, 1),
        ('a.mp4', 10.0, 13.0, 0.8, 3),
        ('x.jpg', None, None, 0.65, 1),
        ('a.mp4', 20.0, 20.0, 0.6, 1),
        ('x.jpg', None, None, 0.4, 1),
        ('b.mp4', 10.5, 10.5, 0.3, 1),
    ]
    assert found[1].camera == 'north' and found[1].best.time == 11.0
    assert len(hits.together(1.5)) == 7 and len(hits.together(7)) == 5
    with pytest.raises(ValueError, match='together=-1'):
        hits.together(-1)


def test_hits_are_a_sequence():
    hits = Hits((hit('a', 1.0, 0.9), hit('b', 2.0, 0.8), hit('c', 3.0, 0.7)))
    assert len(hits) == 3 and hits[1].source == 'b' and hits[-1].source == 'c'
    assert isinstance(hits[1:], Hits) and [h.source for h in hits[1:]] == ['b', 'c']
    assert [h.source for h in hits] == ['a', 'b', 'c'] and not Hits()


def test_hits_are_saved_and_printed(tmp_path):
    hits = Hits((hit('a, "b".mp4', 12.5, 0.91, camera='north'), hit('é.jpg', None, 0.5)))
    hits.save(tmp_path / 'h.csv')
    with open(tmp_path / 'h.csv', newline='') as stream:
        first, second = csv.DictReader(stream)
    assert (first['rank'], first['source'], first['time']) == ('1', 'a, "b".mp4', '12.5')
    assert [float(first[k]) for k in ('x1', 'y1', 'x2', 'y2')] == [10, 5, 30, 55.5]
    assert second['source'] == 'é.jpg' and second['time'] == '' and second['camera'] == ''
    hits.save(tmp_path / 'h.json')
    read = json.loads((tmp_path / 'h.json').read_text())
    assert read[0]['box'] == [10, 5, 30, 55.5] and read[1]['time'] is None
    with pytest.raises(ValueError, match=r'must end in \.csv or \.json'):
        hits.save(tmp_path / 'h.txt')
    lines = hits.table().splitlines()
    assert lines[0].split() == ['rank', 'similarity', 'source', 'time', 'camera']
    assert lines[1].split() == ['1', '0.910', 'a,', '"b".mp4', '0:12.5', 'north']
    Hits().save(tmp_path / 'none.csv')
    assert len((tmp_path / 'none.csv').read_text().splitlines()) == 1


def test_a_hit_reads_its_scene_again(tmp_path):
    still = write_picture(tmp_path / 'a.png', 7)
    film = write_video(tmp_path / 'v.avi', [1 + n % 13 for n in range(30)])
    assert np.array_equal(hit(str(still), None, 1).read(), picture(7))
    assert round(hit(str(film), 0.48, 1).read().mean() / STEP) == 1 + 12
    still.unlink()
    for name in (str(still), 'camera:0'):
        with pytest.raises(PictureError, match='no such file any more, or a stream'):
            hit(name, None, 1).read()


def test_hits_are_drawn_as_cards(tmp_path):
    still = write_picture(tmp_path / 'a.png', 7)
    hits = Hits((hit(str(still), None, 0.9), hit('gone.jpg', None, 0.5), hit('v', 3.0, -0.2)))
    one_row = hits.draw()
    assert one_row.dtype == np.uint8 and one_row.ndim == 3
    with_query = hits.draw(tmp_path / 'h.png', query=(still, (0, 0, 40, 60)), columns=2)
    assert (tmp_path / 'h.png').stat().st_size > 1000
    assert with_query.shape[0] > 1.9 * one_row.shape[0] - 30
    assert with_query.shape[1] < one_row.shape[1]
    # The scene's grey is on the first card, and no picture on the second.
    width = one_row.shape[1] // 3
    grey = np.all(np.abs(one_row.astype(int) - 7 * STEP) <= 1, axis=2)
    assert grey[:, :width].sum() > 20000 and grey[:, width:].sum() < 200
    assert Hits().draw().shape == hits[:1].draw().shape
    with pytest.raises(ValueError, match='columns=0'):
        hits.draw(columns=0)
    with pytest.raises(ValueError, match='a picture ends in'):
        hits.draw(tmp_path / 'h.txt')
