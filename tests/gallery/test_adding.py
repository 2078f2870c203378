import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mmdet_ps.gallery import Gallery, adding, reader
from mmdet_ps.gallery.video import Frame
from mmdet_ps.utils.pictures import PictureError

from .stub import (
    DIM,
    StubFinder,
    expected,
    levels_there,
    people_of,
    picture,
    rows,
    write_picture,
    write_video,
)

pytest.importorskip('lancedb')

LEVELS = [1 + n % 13 for n in range(40)]


@pytest.fixture
def gallery(tmp_path):
    return Gallery(tmp_path / 'g', StubFinder())


def add(gallery, *sources, **options):
    return gallery.add(list(sources), progress=False, **options)


def test_pictures_and_videos_are_kept_with_place_and_time(gallery, tmp_path):
    write_picture(tmp_path / 's' / 'a.jpg', 3)
    write_video(tmp_path / 's' / 'v.avi', LEVELS, rate=10)
    report = add(gallery, tmp_path / 's', every=0.5, camera='north')
    frames = range(0, 40, 5)
    levels = [LEVELS[n] for n in frames]
    there = levels_there(gallery)
    assert there == expected('a.jpg', [3]) | expected('v.avi', levels, frames)
    assert (report.sources, report.pictures, report.unchanged) == (2, 9, 0)
    assert report.people == sum(there.values()) == len(gallery)
    assert not report.broken and not report.stopped
    assert str(report).startswith(f'2 sources, 9 pictures, {len(gallery)} people in ')
    for row in rows(gallery).values():
        level, n = 3, int(row['id'].rsplit('#', 1)[1])
        if row['source'].endswith('.avi'):
            level = LEVELS[row['frame']]
            assert row['time'] == row['position'] == pytest.approx(row['frame'] / 10)
        else:
            assert row['time'] is None and row['position'] is None and row['frame'] == 0
        person = people_of(level)
        assert row['id'] == f'{row["source"]}#{row["frame"]}#{n}' and row['camera'] == 'north'
        assert row['box'] == person.boxes[n].tolist()
        assert row['score'] == pytest.approx(person.scores[n])
        assert np.array_equal(row['feat'], person.feats[n].astype(np.float16))
    first, second = gallery.sources()
    assert (Path(first.name).name, first.kind, first.pictures, first.people) == (
        'a.jpg',
        'picture',
        1,
        3,
    )
    assert (second.kind, second.pictures, second.whole, second.fault) == ('video', 8, True, '')


def test_what_is_there_is_passed_and_what_has_changed_is_replaced(gallery, tmp_path):
    for n in (1, 2, 3, 5):
        write_picture(tmp_path / 's' / f'{n}.jpg', n)
    add(gallery, tmp_path / 's')
    gallery.finder.seen.clear()
    report = add(gallery, tmp_path / 's')
    assert (report.sources, report.unchanged, report.pictures) == (0, 4, 0)
    assert gallery.finder.seen == []

    write_picture(tmp_path / 's' / '3.jpg', 9)
    os.utime(tmp_path / 's' / '3.jpg', ns=(1, 1))
    write_picture(tmp_path / 's' / '6.jpg', 6)
    report = add(gallery, tmp_path / 's')
    assert (report.sources, report.unchanged) == (2, 3) and gallery.finder.seen == [9, 6]
    names = ['1.jpg', '2.jpg', '3.jpg', '5.jpg', '6.jpg']
    wanted = {}
    for name, level in zip(names, (1, 2, 9, 5, 6), strict=True):
        wanted |= expected(name, [level])
    assert levels_there(gallery) == wanted

    # Nobody is in it now: the old people go.
    write_picture(tmp_path / 's' / '5.jpg', 4)
    os.utime(tmp_path / 's' / '5.jpg', ns=(1, 1))
    add(gallery, tmp_path / 's')
    del wanted['5.jpg', 0]
    assert levels_there(gallery) == wanted


def test_other_settings_replace_what_was_there(gallery, tmp_path):
    write_video(tmp_path / 'v.avi', LEVELS, rate=10)
    add(gallery, tmp_path / 'v.avi', every=0.5)
    before = len(gallery)
    add(gallery, tmp_path / 'v.avi', every=1, camera='south', start='2026-05-01T12:00+00:00')
    frames = [0, 10, 20, 30]
    assert levels_there(gallery) == expected('v.avi', [LEVELS[n] for n in frames], frames)
    start = 1777636800
    assert {row['time'] for row in rows(gallery).values()} == {start, start + 1, start + 3}
    assert {row['camera'] for row in rows(gallery).values()} == {'south'}
    assert gallery.sources()[0].start == start
    assert len(gallery) < before
    add(gallery, tmp_path / 'v.avi', every=1, min_score=0.9)
    assert len(gallery) == sum((people_of(LEVELS[n]).scores >= 0.9).sum() for n in frames)


def test_a_source_is_removed_by_name_or_glob(gallery, tmp_path, monkeypatch):
    for n in (1, 2, 3):
        write_picture(tmp_path / 's' / f'{n}.jpg', n)
    write_picture(tmp_path / 's' / '7.png', 7)
    add(gallery, tmp_path / 's')
    monkeypatch.chdir(tmp_path / 's')
    assert gallery.remove('2.jpg') == 1
    assert levels_there(gallery) == (
        expected('1.jpg', [1]) | expected('3.jpg', [3]) | expected('7.png', [7])
    )
    assert gallery.remove('*.jpg') == 2 and levels_there(gallery) == expected('7.png', [7])
    with pytest.raises(KeyError, match='there is no source 2.jpg'):
        gallery.remove('2.jpg')
    assert add(gallery, tmp_path / 's').sources == 3 and len(gallery) == 9


def test_what_cannot_be_read_is_named_and_tried_again(gallery, tmp_path):
    write_picture(tmp_path / 's' / 'good.jpg', 3)
    (tmp_path / 's' / 'text.jpg').write_text('no picture')
    (tmp_path / 's' / 'text.mp4').write_text('no video')
    cut = write_video(tmp_path / 's' / 'cut.avi', LEVELS)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    report = add(gallery, tmp_path / 's', every=0)
    reasons = {Path(b.source).name: (b.reason, b.lost) for b in report.broken}
    assert reasons.pop('cut.avi') == (
        f'{gallery.sources()[0].pictures} of 40 frames could be read',
        False,
    )
    assert reasons == {
        'text.jpg': ('not a picture that OpenCV reads', True),
        'text.mp4': ('not a video that OpenCV reads, or cut off at its start', True),
    }
    assert report.sources == 2
    assert [Path(s.name).name for s in gallery.sources()] == ['cut.avi', 'good.jpg']
    assert 'frames could be read' in gallery.sources()[0].fault
    # What could be read in part is passed until it changes, the rest is tried again.
    report = add(gallery, tmp_path / 's', every=0)
    assert report.unchanged == 2 and len(report.broken) == 2
    write_picture(tmp_path / 's' / 'text.jpg', 2)
    assert add(gallery, tmp_path / 's', every=0).sources == 1


def test_a_picture_that_breaks_later_keeps_its_people_until_it_is_removed(gallery, tmp_path):
    path = write_picture(tmp_path / 'a.jpg', 3)
    add(gallery, path)
    path.write_bytes(b'')
    assert add(gallery, path).broken[0].reason == 'the picture is empty (0 bytes)'
    assert len(gallery) == 3


def test_a_picture_that_is_gone_or_a_folder_when_its_turn_comes(gallery, tmp_path, monkeypatch):
    for n in (1, 2, 3):
        write_picture(tmp_path / 's' / f'{n}.jpg', n)
    found = adding.Adding.run

    def change_then_run(self, sources):
        (tmp_path / 's' / '1.jpg').unlink()
        (tmp_path / 's' / '2.jpg').unlink()
        (tmp_path / 's' / '2.jpg').mkdir()
        return found(self, sources)

    monkeypatch.setattr(adding.Adding, 'run', change_then_run)
    report = add(gallery, tmp_path / 's')
    assert [broken.reason for broken in report.broken] == [
        'No such file or directory',
        'Is a directory',
    ]
    assert levels_there(gallery) == expected('3.jpg', [3])


def test_a_picture_that_the_pipeline_cannot_take_is_named(gallery, tmp_path, monkeypatch):
    write_picture(tmp_path / 's' / 'a.jpg', 3)
    write_picture(tmp_path / 's' / 'b.jpg', 5)

    def prepare(given):
        if given.mean() < 60:
            raise ValueError('too thin')
        return 5

    monkeypatch.setattr(gallery.finder, 'prepare', prepare)
    report = add(gallery, tmp_path / 's')
    assert [broken.reason for broken in report.broken] == ['too thin'] and report.sources == 1


class Stopper(StubFinder):
    """Sends a signal after so many pictures."""

    def __init__(self, after, number=signal.SIGTERM):
        super().__init__()
        self.after, self.number = after, number

    def find_prepared(self, levels):
        found = super().find_prepared(levels)
        if self.after is not None and len(self.seen) >= self.after:
            self.after = None
            os.kill(os.getpid(), self.number)
        return found


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_what_is_found_and_the_next_run_goes_on(tmp_path, number):
    write_picture(tmp_path / 's' / 'a.jpg', 3)
    write_video(tmp_path / 's' / 'b.avi', LEVELS)
    write_picture(tmp_path / 's' / 'c.jpg', 2)
    before = signal.getsignal(number)
    gallery = Gallery(tmp_path / 'g', Stopper(9, number))
    report = add(gallery, tmp_path / 's', every=0)
    assert report.stopped and signal.getsignal(number) is before
    seen = list(gallery.finder.seen)
    assert seen[0] == 3 and 9 <= len(seen) < 42 and len(gallery) == sum(n % 4 for n in seen)
    video = gallery.sources()[-1]
    assert not video.whole and video.pictures == len(seen) - (2 if seen[1] == 2 else 1)
    report = add(gallery, tmp_path / 's', every=0)
    assert not report.stopped
    # Nothing was looked at twice.
    assert len(gallery.finder.seen) == 42
    assert levels_there(gallery) == (
        expected('a.jpg', [3]) | expected('b.avi', LEVELS) | expected('c.jpg', [2])
    )
    assert all(source.whole for source in gallery.sources())
    assert [s.pictures for s in gallery.sources()] == [1, 40, 1]
    assert sum(s.people for s in gallery.sources()) == len(gallery)


def commits(gallery, monkeypatch):
    made = []
    put = gallery.index.put_people
    monkeypatch.setattr(
        gallery.index,
        'put_people',
        lambda people, *a: (made.append(people.num_rows), put(people, *a)),
    )
    return made


def test_a_long_video_is_committed_in_parts(gallery, tmp_path, monkeypatch):
    monkeypatch.setattr(adding, '_PEOPLE', 10)
    made = commits(gallery, monkeypatch)
    write_video(tmp_path / 'v.avi', LEVELS)
    add(gallery, tmp_path / 'v.avi', every=0)
    assert len(made) >= 5 and sum(made) == len(gallery) and max(made) < 10 + 6
    assert levels_there(gallery) == expected('v.avi', LEVELS)
    # A changed video replaces the old one in parts as well.
    write_video(tmp_path / 'v.avi', LEVELS[::-1][:30])
    add(gallery, tmp_path / 'v.avi', every=0)
    assert levels_there(gallery) == expected('v.avi', LEVELS[::-1][:30])
    assert gallery.sources()[0].people == len(gallery)


def test_pictures_share_commits(gallery, tmp_path, monkeypatch):
    made = commits(gallery, monkeypatch)
    for n in range(30):
        write_picture(tmp_path / 's' / f'{n}.jpg', 1 + n % 13)
    add(gallery, tmp_path / 's')
    assert len(made) <= 3 and len(gallery.sources()) == 30


def test_a_run_that_died_between_people_and_source_leaves_nobody_twice(
    gallery, tmp_path, monkeypatch
):
    monkeypatch.setattr(adding, '_PEOPLE', 20)
    write_video(tmp_path / 'v.avi', LEVELS)
    put, calls = gallery.index.put_sources, []

    def die(table):
        calls.append(table)
        if len(calls) == 3:
            raise OSError('died')
        put(table)

    monkeypatch.setattr(gallery.index, 'put_sources', die)
    with pytest.raises(OSError, match='died'):
        add(gallery, tmp_path / 'v.avi', every=0)
    monkeypatch.setattr(gallery.index, 'put_sources', put)
    # The same frames have fewer people this time: the rest of them must go.
    fewer = StubFinder()
    fewer.find_prepared = lambda levels: [people_of(n - n % 4 + min(n % 4, 1)) for n in levels]
    gallery.finder = fewer
    last = gallery.sources()[0]
    assert not last.whole
    frame = gallery.index.source_rows()[0]['last_frame']
    add(gallery, tmp_path / 'v.avi', every=0)
    want = expected('v.avi', LEVELS[: frame + 1])
    want |= {('v.avi', n): 1 for n in range(frame + 1, 40) if LEVELS[n] % 4}
    assert levels_there(gallery) == want
    assert gallery.sources()[0].whole


def test_a_video_that_another_process_has_torn_is_not_called_whole(gallery, tmp_path, monkeypatch):
    monkeypatch.setattr(adding, '_PEOPLE', 20)
    path = write_video(tmp_path / 'v.avi', LEVELS)
    put, calls = gallery.index.put_people, []

    def tear(people, *given):
        put(people, *given)
        calls.append(people)
        if len(calls) == 2:
            gallery.index.people.delete('frame < 5')

    monkeypatch.setattr(gallery.index, 'put_people', tear)
    report = add(gallery, path, every=0)
    assert 'changed by another process' in report.broken[0].reason
    assert not gallery.sources()[0].whole
    monkeypatch.setattr(gallery.index, 'put_people', put)
    add(gallery, path, every=0)
    assert levels_there(gallery) == expected('v.avi', LEVELS) and gallery.sources()[0].whole


def test_a_stream_is_committed_on_its_way_and_runs_until_a_signal(gallery, monkeypatch):
    monkeypatch.setattr(adding, '_STREAM_SECONDS', 0.05)
    made = commits(gallery, monkeypatch)

    def frames(address, every, stopped):
        assert address == 'rtsp://me:secret@host/a'
        number = 1_000_000
        while not stopped():
            number += 10
            if len(made) == 4:
                os.kill(os.getpid(), signal.SIGINT)
                made.append(0)
            time.sleep(0.005)
            yield Frame(number, (number - 1_000_000) / 1000, picture(3))

    monkeypatch.setattr(reader, 'stream_frames', frames)
    report = add(gallery, 'rtsp://me:secret@host/a', camera='door')
    assert report.stopped and report.people == len(gallery) > 0 and report.people % 3 == 0
    row = next(iter(rows(gallery).values()))
    assert row['source'] == 'rtsp://host/a' and row['time'] == row['frame'] / 1000
    assert 'secret' not in str(gallery.sources())
    before, made[:] = len(gallery), []
    monkeypatch.setattr(
        reader, 'stream_frames', lambda *a: iter([Frame(5_000_000, 0.0, picture(2))])
    )
    add(gallery, 'rtsp://me:secret@host/a')
    assert len(gallery) == before + 2 == gallery.sources()[0].people


def test_a_stream_does_not_fall_behind(tmp_path, monkeypatch):
    gallery = Gallery(tmp_path / 'g', StubFinder(delay=0.02, batch=1))
    monkeypatch.setattr(
        reader,
        'stream_frames',
        lambda *a: (Frame(1000 + n, n / 1000, picture(3)) for n in range(500)),
    )
    report = add(gallery, 'rtsp://host/a')
    assert 0 < report.pictures < 20


def test_a_camera_that_cannot_be_opened_is_named(gallery, monkeypatch):
    def fail(*given):
        raise PictureError('the stream cannot be opened')
        yield

    monkeypatch.setattr(reader, 'stream_frames', fail)
    report = add(gallery, 7)
    assert [(b.source, b.reason) for b in report.broken] == [
        ('camera:7', 'the stream cannot be opened')
    ]


def test_progress_shows_pictures_people_speed_and_time_left(gallery, tmp_path, capsys):
    for n in range(4):
        write_picture(tmp_path / 's' / f'{n}.jpg', 3)
    write_video(tmp_path / 's' / 'v.avi', LEVELS)
    write_video(tmp_path / 's' / 'w.avi', LEVELS)
    gallery.finder.delay = 0.01
    gallery.add(tmp_path / 's', every=0)
    said = capsys.readouterr().err
    assert '84/84' in said and f'{len(gallery)} people' in said and 'people/s' in said
    assert '<00:0' in said


def test_frames_of_videos_that_are_not_open_yet_are_guessed_by_size(gallery, tmp_path):
    for name in ('v.avi', 'w.avi', 'x.avi'):
        write_video(tmp_path / 's' / name, LEVELS)
    said = []
    gallery.add(tmp_path / 's', every=0, progress=lambda *told: said.append(told))
    assert {total for _, total, _ in said} == {120} and said[-1][0] == 120


def test_another_thread_is_told_and_can_stop(gallery, tmp_path):
    write_video(tmp_path / 'v.avi', LEVELS)
    said, stop = [], threading.Event()

    def tell(done, total, people):
        said.append((done, total, people))
        if done == 10:
            stop.set()

    reports = []
    thread = threading.Thread(
        target=lambda: reports.append(
            gallery.add(tmp_path / 'v.avi', every=0, progress=tell, stop=stop)
        )
    )
    thread.start()
    thread.join(60)
    assert reports[0].stopped and 10 <= reports[0].pictures < 40
    assert [done for done, *_ in said] == list(range(1, reports[0].pictures + 1))
    assert said[0][1] == 40 and said[-1][2] == len(gallery)


def test_people_that_another_process_puts_in_between_are_replaced(gallery, tmp_path, monkeypatch):
    path = write_video(tmp_path / 'v.avi', LEVELS, rate=10)
    merge, calls = gallery.index._merge, []

    def other_first(people, replaced):
        if not calls:
            calls.append(replaced)
            other = Gallery(tmp_path / 'g', StubFinder())
            other.add(path, every=0, progress=False)
        merge(people, replaced)

    monkeypatch.setattr(gallery.index, '_merge', other_first)
    add(gallery, path, every=1)
    assert calls == [None]
    frames = [0, 10, 20, 30]
    assert levels_there(gallery) == expected('v.avi', [LEVELS[n] for n in frames], frames)


def test_a_process_that_is_behind_takes_nothing_from_one_that_is_ahead(
    gallery, tmp_path, monkeypatch
):
    path = write_video(tmp_path / 'v.avi', LEVELS)
    add(gallery, path, every=0)
    monkeypatch.setattr(adding, '_PEOPLE', 10)
    monkeypatch.setattr(gallery.index, 'source_rows', lambda *given: [])
    monkeypatch.setattr(gallery.index, 'put_sources', None)
    with pytest.raises(TypeError):
        add(gallery, path, every=0)
    assert levels_there(gallery) == expected('v.avi', LEVELS)


def test_a_removal_that_was_killed_is_done_again(gallery, tmp_path, monkeypatch):
    path = write_picture(tmp_path / 'a.jpg', 3)
    add(gallery, path)
    gallery.index.sources.delete('true')
    assert gallery.remove(path) == 1 and len(gallery) == 0


def test_reading_ahead_is_bounded_and_its_threads_end(gallery, tmp_path):
    gallery.finder.delay, waiting, most = 0.01, [0], [0]
    lock = threading.Lock()

    def prepare(given):
        with lock:
            waiting[0] += 1
            most[0] = max(most[0], waiting[0])
        return 3

    def find(levels):
        with lock:
            waiting[0] -= len(levels)
        time.sleep(0.01)
        return [people_of(3) for _ in levels]

    gallery.finder.prepare, gallery.finder.find_prepared = prepare, find
    for n in range(20):
        write_picture(tmp_path / 's' / f'{n}.jpg', 3)
    write_video(tmp_path / 's' / 'v.avi', LEVELS)
    add(gallery, tmp_path / 's', every=0)
    assert most[0] <= 3 * gallery.finder.batch
    names = {thread.name for thread in threading.enumerate()}
    assert not any(name.startswith(('read', 'prepare')) for name in names)


def test_an_error_of_the_network_ends_the_threads_and_is_passed_on(gallery, tmp_path):
    def fail(levels):
        raise RuntimeError('out of memory')

    gallery.finder.find_prepared = fail
    write_video(tmp_path / 'v.avi', LEVELS)
    with pytest.raises(RuntimeError, match='out of memory'):
        add(gallery, tmp_path / 'v.avi', every=0)
    assert not any(thread.name == 'read' for thread in threading.enumerate())


@pytest.mark.parametrize(
    ('options', 'why'),
    [
        (dict(every=-1), 'every=-1'),
        (dict(every=float('nan')), 'every=nan'),
        (dict(min_score=2), 'min_score=2'),
        (dict(start='soon'), 'not a time'),
    ],
)
def test_wrong_options_are_refused(gallery, tmp_path, options, why):
    write_picture(tmp_path / 'a.jpg', 1)
    with pytest.raises(ValueError, match=why):
        add(gallery, tmp_path / 'a.jpg', **options)


def test_embeddings_are_kept_as_float16(gallery, tmp_path):
    add(gallery, write_picture(tmp_path / 'a.jpg', 3))
    kind = gallery.index.schema.field('feat').type
    assert str(kind.value_type) == 'halffloat' and kind.list_size == DIM
