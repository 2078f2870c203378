import time

import cv2
import numpy as np
import pytest

from mmdet_ps.gallery.video import Slots, Video, read_frame, stream_frames
from mmdet_ps.utils.pictures import PictureError

from .stub import STEP, picture, write_picture, write_video
from .variable_rate import set_durations, time_scale

LEVELS = [1 + n % 13 for n in range(40)]


def level(given):
    return int(round(float(given.mean()) / STEP))


def look(path, every, after=-1):
    video = Video(path)
    found = [(f.number, round(f.position, 3), level(f.picture)) for f in video.frames(every, after)]
    return found, video


@pytest.mark.parametrize('name', ['a.avi', 'a.mkv', 'a.mp4'])
def test_each_frame_with_its_time(tmp_path, name):
    coding = 'mp4v' if name.endswith('mp4') else 'MJPG'
    path = write_video(tmp_path / name, LEVELS, rate=25, coding=coding)
    found, video = look(path, 0)
    assert found == [(n, round(n / 25, 3), LEVELS[n]) for n in range(40)]
    assert video.fault() == '' and video.expected(0) == 40


def test_frames_are_the_first_of_their_intervals(tmp_path):
    path = write_video(tmp_path / 'a.avi', LEVELS, rate=10)
    found, video = look(path, 0.5)
    assert [number for number, *_ in found] == [0, 5, 10, 15, 20, 25, 30, 35]
    assert video.expected(0.5) == 8
    assert [number for number, *_ in look(path, 0.25)[0]][:5] == [0, 3, 5, 8, 10]
    assert look(path, 1e6)[0] == [(0, 0.0, LEVELS[0])]


def test_time_stamps_count_and_not_frame_numbers(tmp_path):
    path = write_video(tmp_path / 'a.mp4', LEVELS[:8], rate=25, coding='mp4v')
    scale = time_scale(path)
    seconds = [0.1, 0.1, 0.1, 1.2, 0.05, 0.05, 0.9, 0.1]
    set_durations(path, [round(scale * s) for s in seconds])
    stamps = np.concatenate([[0], np.cumsum(seconds)[:-1]])
    found, _ = look(path, 0)
    assert [position for _, position, _ in found] == pytest.approx(stamps, abs=2e-3)
    # 0, .1, .2, .3 | 1.5, 1.55, 1.6 | 2.5
    assert [number for number, *_ in look(path, 0.5)[0]] == [0, 4, 7]
    for number, position, seen in found:
        assert level(read_frame(path, position)) == seen == LEVELS[number]


def test_going_on_gives_what_was_left(tmp_path):
    path = write_video(tmp_path / 'a.avi', LEVELS, rate=10)
    whole = look(path, 0.25)[0]
    for n, (number, *_) in enumerate(whole):
        assert look(path, 0.25, after=number)[0] == whole[n + 1 :]


@pytest.mark.parametrize('name', ['a.avi', 'a.mkv'])
def test_a_video_that_ends_early_is_used_and_named(tmp_path, name):
    path = write_video(tmp_path / name, LEVELS)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    found, video = look(path, 0)
    assert 5 < len(found) < 35
    # The frame at the cut is half there.
    assert [seen for *_, seen in found[:-1]] == LEVELS[: len(found) - 1]
    assert video.fault() == f'{len(found)} of 40 frames could be read'


def test_frames_that_cannot_be_decoded_are_counted_and_replaced(tmp_path, monkeypatch):
    path = write_video(tmp_path / 'a.avi', LEVELS, rate=10)
    video = Video(path)
    decode = video._retrieve
    monkeypatch.setattr(video, '_retrieve', lambda: None if video.read in (6, 7) else decode())
    numbers = [frame.number for frame in video.frames(0.5)]
    assert numbers == [0, 7, 10, 15, 20, 25, 30, 35]
    assert video.fault() == '2 frames cannot be decoded'


def test_no_video(tmp_path):
    write_picture(tmp_path / 'still.jpg', 3)
    (tmp_path / 'text.mp4').write_text('no video')
    (tmp_path / 'empty.mp4').write_bytes(b'')
    cut = write_video(tmp_path / 'cut.mp4', LEVELS, coding='mp4v')
    cut.write_bytes(cut.read_bytes()[:2000])
    for name in ('text.mp4', 'empty.mp4', 'gone.mp4', 'cut.mp4'):
        with pytest.raises(PictureError, match=f'{name}: not a video'):
            Video(tmp_path / name)


@pytest.mark.parametrize('coding', ['MJPG', 'XVID'])
def test_the_frame_at_a_time_is_read_again(tmp_path, coding):
    path = write_video(tmp_path / 'a.avi', [1 + n % 13 for n in range(200)], coding=coding)
    for frame in Video(path).frames(0.7):
        assert level(read_frame(path, frame.position)) == 1 + frame.number % 13
    with pytest.raises(PictureError, match='no frame at 99.00 s'):
        read_frame(path, 99.0)


def test_a_seek_that_goes_too_far_is_made_good(tmp_path, monkeypatch):
    path = write_video(tmp_path / 'a.avi', [1 + n % 13 for n in range(100)])

    def too_far(video, position):
        video._capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * (position + 1))

    monkeypatch.setattr(Video, 'seek', too_far)
    assert level(read_frame(path, 1.6)) == 1 + 40 % 13


def test_frames_at_the_borders_of_intervals_are_not_missed():
    slots = Slots(0.1)
    assert all(slots.takes(n / 10) for n in range(1000))
    assert not slots.takes(99.95)


def test_slots_of_zero_seconds_take_everything():
    assert all(Slots(0).takes(t) for t in (0, 0, 0.1))


class FakeCapture:
    """Gives so many frames, then breaks off."""

    def __init__(self, frames):
        self.left = frames

    def isOpened(self):  # noqa: N802
        return self.left is not None

    def grab(self):
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        return True, picture(3)

    def release(self):
        pass


def test_a_stream_is_opened_again_until_it_is_stopped():
    captures = iter([FakeCapture(3), FakeCapture(None), FakeCapture(2), FakeCapture(100)])
    seen = []

    def stopped():
        return len(seen) >= 8

    for frame in stream_frames('x', 0, stopped, lambda address: next(captures), pause=0.001):
        seen.append(frame)
    assert len(seen) == 8
    numbers = [frame.number for frame in seen]
    assert sorted(set(numbers)) == numbers
    assert numbers[0] / 1000 == pytest.approx(time.time(), abs=60)


def test_a_stream_that_stays_away_is_given_up():
    with pytest.raises(PictureError, match='the stream cannot be opened$'):
        list(stream_frames('x', 0, lambda: False, lambda address: FakeCapture(None), 0.001))
    captures = iter([FakeCapture(1)])
    frames = stream_frames(
        'x', 0, lambda: False, lambda address: next(captures, FakeCapture(None)), 1e-6
    )
    assert next(frames).picture.shape == (64, 96, 3)
    with pytest.raises(PictureError, match='cannot be opened again'):
        list(frames)


def test_a_broken_decoder_ends_a_video(tmp_path, monkeypatch):
    path = write_video(tmp_path / 'a.avi', LEVELS)

    class Broken:
        def grab(self):
            raise cv2.error('broken')

        def release(self):
            pass

    video = Video(path)
    video._capture = Broken()
    assert list(video.frames(0)) == [] and video.fault() == '0 of 40 frames could be read'
