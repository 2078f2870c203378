"""Frames of videos by the container's time stamps, and of streams as they come."""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from ..utils.pictures import PictureError

# FFmpeg writes what it thinks of a broken video to stderr, in the middle of progress bars; what
# matters of it is counted here. OpenCV reads the variable when it first opens a video.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')

# Streams that break off are opened again after 1, 2, 4, ... 30 seconds, this many times in a row.
_RETRIES = 10
_LONGEST_PAUSE = 30.0
# Frame counts in headers are estimates in some containers.
_SURE = 0.98


@dataclass(frozen=True)
class Frame:
    """A frame of a video or stream.

    Attributes:
        number: Of the frame, from 0; milliseconds since 1970 in streams.
        position: Seconds into the video, by its time stamps.
        picture: (H, W, 3) uint8, BGR.
    """

    number: int
    position: float
    picture: np.ndarray = field(repr=False)


class Slots:
    """Choose one frame in each interval of ``every`` seconds; with 0, each frame."""

    def __init__(self, every: float) -> None:
        self.every, self._last = every, -1

    def takes(self, position: float) -> bool:
        """Whether the frame at a position, of rising ones, is the first in its interval."""
        if self.every == 0:
            return True
        slot = math.floor(position / self.every + 1e-6)
        new, self._last = slot > self._last, max(slot, self._last)
        return new


class Video:
    """The frames of a video file, and afterwards what was wrong with it.

    Args:
        path: Any container that OpenCV's FFmpeg reads.

    Raises:
        PictureError: It is none.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._capture = _open(os.fspath(path))
        if not self._capture.isOpened():
            raise PictureError(f'{path}: not a video that OpenCV reads, or cut off at its start')
        self.broken = 0
        self.read = 0
        self.rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = self.rate if math.isfinite(self.rate) and self.rate > 0 else 25.0
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.declared = int(count) if math.isfinite(count) and count > 0 else 0

    @property
    def seconds(self) -> float:
        """Position of the last frame as the header says; 0 where that says nothing."""
        return max(self.declared - 1, 0) / self.rate

    def expected(self, every: float) -> int | None:
        """How many frames `frames` will give as the header says; None where that says nothing."""
        if not self.declared:
            return None
        return int((self.declared - 1) / self.rate / max(every, 1 / self.rate)) + 1

    def frames(self, every: float, after: int = -1) -> Iterator[Frame]:
        """Go through the frames, one every so many seconds.

        A frame that cannot be decoded is counted, and the next one takes its place.

        Args:
            every: Seconds between frames, by their time stamps; 0 gives each frame.
            after: Number of a frame; those up to it are passed over.
        """
        slots, position = Slots(every), -1.0
        wanted = False
        while self._grab():
            position = self._position(position)
            number, self.read = self.read, self.read + 1
            wanted = slots.takes(position) or wanted
            if not wanted:
                continue
            if number <= after:
                wanted = False
                continue
            picture = self._retrieve()
            if picture is None:
                self.broken += 1
                continue
            wanted = False
            yield Frame(number, position, picture)
        self._capture.release()

    def around(self, position: float, seconds: float, every: float) -> Iterator[Frame]:
        """Give the frames from so many seconds before a time to so many after it.

        Args:
            position: Seconds into the video.
            seconds: Before and after.
            every: Seconds between frames; 0 gives each frame. Their numbers count from 0.
        """
        self.seek(position - seconds)
        for frame in self.frames(every):
            if frame.position > position + seconds:
                return
            if frame.position >= position - seconds:
                yield frame

    def fault(self) -> str:
        """Say what was wrong, after the last frame; empty where nothing was."""
        faults = []
        if self.broken:
            faults.append(f'{self.broken} frames cannot be decoded')
        if self.read < _SURE * self.declared - 1:
            faults.append(f'{self.read} of {self.declared} frames could be read')
        return ', '.join(faults)

    def _grab(self) -> bool:
        try:
            return self._capture.grab()
        except cv2.error:
            return False

    def _retrieve(self) -> np.ndarray | None:
        try:
            read, picture = self._capture.retrieve()
        except cv2.error:
            return None
        return picture if read and picture is not None and picture.size else None

    def _position(self, before: float) -> float:
        """Time stamp of the frame just read; where it has none, one frame after the last."""
        seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if math.isfinite(seconds) and seconds > before:
            return seconds
        return before + 1 / self.rate if before >= 0 else 0.0

    def seek(self, position: float) -> None:
        """Go to shortly before a time; where the container cannot seek, stay at the start."""
        if position > 2:
            self._capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * (position - 2))


def _open(address: str | int) -> cv2.VideoCapture:
    if isinstance(address, int):
        return cv2.VideoCapture(address)
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG)


def read_frame(path: str | os.PathLike, position: float) -> np.ndarray:
    """Read the frame that stands at a time of a video.

    Args:
        path: The video.
        position: Seconds, as `Frame.position` gave them.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        PictureError: No video, or it ends before.
    """
    for jump in (True, False):
        video = Video(path)
        if jump:
            video.seek(position)
        stamp = -1.0
        while video._grab():
            stamp = video._position(stamp)
            if stamp >= position - 1e-4:
                picture = video._retrieve()
                # A seek that went too far has missed it: look again from the start.
                if picture is None or (jump and stamp > position + 1e-3):
                    break
                return picture
    raise PictureError(f'{path}: no frame at {position:.2f} s can be read')


def stream_frames(
    address: str | int,
    every: float,
    stopped: Callable[[], bool],
    opened: Callable[[str | int], cv2.VideoCapture] = _open,
    pause: float = 1.0,
) -> Iterator[Frame]:
    """Frames of a camera or network stream, as they come, until stopped.

    All frames are taken off the stream, so that those which are used are of this moment. A stream
    that breaks off is opened again.

    Args:
        address: What OpenCV opens.
        every: Seconds between frames; 0 gives each frame.
        stopped: Asked between frames.
        opened: Opens the address.
        pause: Seconds before the first attempt to open it again; doubled for each one more.

    Raises:
        PictureError: It cannot be opened, or not again.
    """
    start = last = time.time()
    number = -1
    failures, ever = 0, False
    slots = Slots(every)
    while not stopped():
        capture = opened(address)
        while not stopped() and capture.isOpened() and capture.grab():
            failures, ever = 0, True
            last = time.time()
            if not slots.takes(last - start):
                continue
            read, picture = capture.retrieve()
            if read and picture is not None and picture.size:
                number = max(number + 1, int(1000 * last))
                yield Frame(number, last - start, picture)
        capture.release()
        if stopped():
            return
        failures += 1
        if failures > _RETRIES or not ever:
            raise PictureError('the stream cannot be opened' + (' again' if ever else ''))
        _wait(min(pause * 2 ** (failures - 1), _LONGEST_PAUSE), stopped)


def _wait(seconds: float, stopped: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stopped():
        time.sleep(min(0.1, seconds))
