"""Where two levels of deformable convolution read a picture (arXiv 2109.00211, Fig. 7).

An output location of the neck reads K places of the map before it, and what stands there was itself
read from K places of the backbone's map: 9 x 9 = 81 places with 3 x 3 filters.

Shapes: M chosen points, K = kh * kw taps of a convolution, (H, W) its output map. Pictures are
(H, W, 3) uint8, blue, green, red; points (x, y) in their pixels. A map's location j at stride s
stands for the pixels [s * j, s * (j + 1)), so its place in the picture is s * (j + 0.5), as in
FCOS and in the upsampling to the nearest neighbour.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

CENTRE = (40, 200, 40)
# Far from each other, from the green of the centres, and bright enough for dark pictures.
COLOURS = (
    (50, 50, 235),
    (240, 150, 30),
    (0, 210, 255),
    (220, 60, 220),
    (240, 230, 60),
    (20, 130, 255),
)
_PAPER, _INK, _FAINT, _EDGE = (255, 255, 255), (40, 40, 40), (120, 120, 120), (20, 20, 20)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GAP, _HEAD, _FOOT = 12, 62, 12
# The longer side of a panel.
_PANEL_SIDE = 900
# OpenCV draws at fractions of a pixel: so many binary digits.
_SHIFT = 4


@dataclass(frozen=True)
class Sampling:
    """What a convolution reads, on one picture; pairs are (y, x).

    Attributes:
        offset: (2K, H, W) as ``conv_offset`` gives it: y, then x, of each tap, row by row, in
            pixels of the input map; zeros for a plain convolution.
        kernel: Taps (kh, kw).
        stride: Of the convolution.
        padding: Of the convolution.
        dilation: Of the convolution.
    """

    offset: np.ndarray
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        taps = self.kernel[0] * self.kernel[1]
        if self.offset.ndim != 3 or len(self.offset) != 2 * taps:
            raise ValueError(
                f'offsets {self.offset.shape} of a {self.kernel[0]} x {self.kernel[1]} '
                f'convolution: must be ({2 * taps}, H, W)'
            )

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the output map."""
        return self.offset.shape[1], self.offset.shape[2]

    def places(self, at: np.ndarray) -> np.ndarray:
        """Where output locations read.

        Args:
            at: (..., 2) whole numbers, (y, x) in the output map.

        Returns:
            (..., K, 2) of (y, x) in the input map, fractions, also outside of it.
        """
        rows, columns = np.indices(self.kernel).reshape(2, -1)
        taps = np.stack([rows, columns], axis=-1) * self.dilation - self.padding
        offset = self.offset.reshape(len(taps), 2, *self.size)[:, :, at[..., 0], at[..., 1]]
        regular = (at * self.stride)[..., None, :] + taps
        return regular + np.moveaxis(offset, (0, 1), (-2, -1))


def locations_of(
    points: np.ndarray, size: tuple[int, int], stride: int, scale: np.ndarray
) -> np.ndarray:
    """Locations of a map whose pixels hold the points.

    Args:
        points: (M, 2) of (x, y) in pixels of the original picture.
        size: (H, W) of the map; points beyond it go to its rim.
        stride: Of the map, in pixels of the resized picture.
        scale: (2,) of (x, y): resized by original size.

    Returns:
        (M, 2) int of (y, x).
    """
    at = np.floor(points * scale / stride).astype(int)[:, ::-1]
    return np.clip(at, 0, np.array(size) - 1)


def in_picture(places: np.ndarray, stride: int, scale: np.ndarray) -> np.ndarray:
    """Turn (..., 2) of (y, x) in a map into (x, y) in pixels of the original picture."""
    return (places[..., ::-1] + 0.5) * stride / scale


def sampling_locations(at: np.ndarray, output: Sampling, lateral: Sampling) -> np.ndarray:
    """Where output locations read the backbone's map, through two convolutions.

    The output convolution reads between the locations of the map before it, bilinearly; what it
    reads is a mean of up to four lateral outputs, and a place here is the same mean of their
    places. With whole offsets there is one such location and its places are exact. (Drawings of
    deformable convolutions since Dai et al., ICCV 2017, take the offset of one neighbour in place
    of the mean.)

    Args:
        at: (M, 2) int of (y, x), locations of the output convolution's map.
        output: The output convolution, which keeps the size of its map.
        lateral: A lateral convolution at the same level or at a coarser one, whose map is
            upsampled to the nearest neighbour in between.

    Returns:
        (M, K of output * K of lateral, 2) of (y, x) in the lateral's input map; nan where the
        output convolution reads outside its map, where nothing stands.
    """
    read = output.places(at)[..., None, :]
    corners = np.floor(read).astype(int) + [[0, 0], [0, 1], [1, 0], [1, 1]]
    size, coarse = np.array(output.size), np.array(lateral.size)
    weights = np.prod(1 - np.abs(read - corners), axis=-1)
    weights *= ((corners >= 0) & (corners < size)).all(axis=-1)
    places = lateral.places(np.clip(corners, 0, size - 1) * coarse // size)
    total = weights.sum(axis=-1)[..., None, None]
    mean = np.full((*places.shape[:2], *places.shape[3:]), np.nan)
    np.divide((weights[..., None, None] * places).sum(axis=2), total, out=mean, where=total > 0)
    return mean.reshape(len(at), -1, 2)


def _dot(panel: np.ndarray, point: np.ndarray, radius: float, colour: tuple[int, int, int]) -> None:
    """A disc with a dark edge, at fractions of a pixel."""
    where = np.round(point * 2**_SHIFT).astype(int).tolist()
    for size, ink in ((radius + 1, _EDGE), (radius, colour)):
        cv2.circle(panel, where, round(size * 2**_SHIFT), ink, -1, cv2.LINE_AA, _SHIFT)


def _panel(picture: np.ndarray, centres: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The picture, enlarged if small, with the places of each point and its centre on top."""
    times = _PANEL_SIDE / max(picture.shape[:2])
    how = cv2.INTER_AREA if times < 1 else cv2.INTER_CUBIC
    height, width = (max(round(side * times), 1) for side in picture.shape[:2])
    panel = cv2.resize(picture, (width, height), interpolation=how)
    # OpenCV counts from the middle of the first pixel, our points from its corner.
    for i, own in enumerate(places):
        for point in own[np.isfinite(own).all(axis=-1)]:
            _dot(panel, point * times - 0.5, 2.6, COLOURS[i % len(COLOURS)])
    for centre in centres:
        _dot(panel, centre * times - 0.5, 5.0, CENTRE)
    return panel


def draw_sampling_locations(
    picture: np.ndarray, centres: np.ndarray, levels: Mapping[str, np.ndarray], title: str = ''
) -> np.ndarray:
    """Draw the places of each level side by side.

    Args:
        picture: The original picture.
        centres: (M, 2) of (x, y), where the output locations stand.
        levels: By name, (M, P, 2) of (x, y); nan and what lies beyond the picture is not drawn.
        title: Written above.

    Returns:
        The sheet, a picture.
    """
    panels = [_panel(picture, centres, places) for places in levels.values()]
    height, width = panels[0].shape[:2]
    sheet = np.full(
        (_HEAD + height + _FOOT, _GAP + len(panels) * (width + _GAP), 3), _PAPER, np.uint8
    )

    def write(text: str, x: int, y: int, colour: tuple[int, int, int], size: float) -> int:
        cv2.putText(sheet, text, (x, y), _FONT, size, colour, 1, cv2.LINE_AA)
        return x + cv2.getTextSize(text, _FONT, size, 1)[0][0]

    end = write(title or 'sampling locations', _GAP, 22, _INK, 0.6) + 2 * _GAP
    _dot(sheet, np.array([end, 17.0]), 5.0, CENTRE)
    end = write('output location', end + _GAP, 22, _FAINT, 0.5) + 2 * _GAP
    for i in range(min(len(centres), len(COLOURS))):
        _dot(sheet, np.array([end + 9.0 * i, 17.0]), 2.6, COLOURS[i])
    write('places that it reads', end + 9 * min(len(centres), len(COLOURS)) + 3, 22, _FAINT, 0.5)
    for i, (name, panel) in enumerate(zip(levels, panels, strict=True)):
        x = _GAP + i * (width + _GAP)
        write(f'({"abcdefgh"[i]}) {name}', x, _HEAD - 12, _INK, 0.6)
        sheet[_HEAD : _HEAD + height, x : x + width] = panel
    return sheet
