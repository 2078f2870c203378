"""Pictures of people: detections in a scene, and hits of a search as cards.

Pictures are (H, W, 3) uint8, BGR; boxes x1 y1 x2 y2 in pixels.
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...utils.io import atomic_write

# Colours are RGB here, as Pillow takes them.
_PAPER, _CARD, _INK, _FAINT, _TRACK = '#f3f4f6', '#ffffff', '#111827', '#6b7280', '#e5e7eb'
_ACCENT, _QUERY, _NOTHING = '#0f9d76', '#d97706', '#e5e7eb'
# One a person, easy to tell apart on most scenes.
_COLOURS = (
    '#22c55e', '#3b82f6', '#f97316', '#a855f7', '#ec4899', '#14b8a6', '#eab308', '#ef4444'
)  # fmt: skip
_GAP, _PAD, _ROUND = 14, 10, 10
_CROP = (200, 250)
_TEXT = 74
# Drawn at twice the size and made smaller, so that corners and lines are smooth.
_FINE = 2
# The box's share of its card; the rest is context.
_SHARE = 0.74


@dataclass(frozen=True)
class Card:
    """A person on a card.

    Attributes:
        scene: Where the person was found; None where it cannot be read.
        box: Of the person.
        title: Rank, or a word.
        similarity: Written beside the title and drawn as a bar; None leaves both out.
        name: First line below.
        place: Second line.
    """

    scene: np.ndarray | None
    box: Sequence[float]
    title: str
    similarity: float | None
    name: str
    place: str


def save_picture(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Write a picture, whole or not at all.

    Raises:
        ValueError: OpenCV writes no such format.
        OSError: The file cannot be written.
    """
    ending = Path(path).suffix.lower()
    try:
        written, data = cv2.imencode(ending, picture)
    except cv2.error:
        written = False
    if not written:
        raise ValueError(f'{path}: a picture ends in .jpg, .png or .webp')
    with atomic_write(path) as stream:
        stream.write(data.tobytes())


@functools.cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: Latin, Greek, Cyrillic."""
    import matplotlib

    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', name)), size)


def _from_bgr(picture: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(picture[..., ::-1]))


def _to_bgr(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image.convert('RGB'))[..., ::-1])


def draw_people(picture: np.ndarray, boxes: np.ndarray, labels: Sequence[str] = ()) -> np.ndarray:
    """Draw boxes with labels onto a picture, the first of them on top.

    Args:
        picture: The scene.
        boxes: (n, 4).
        labels: One a box, or none.

    Returns:
        The picture with them.
    """
    image = _from_bgr(picture)
    draw = ImageDraw.Draw(image, 'RGBA')
    size = max(picture.shape[:2])
    line = max(2, round(size / 420))
    font = _font(max(11, round(size / 62)), bold=True)
    for n in reversed(range(len(boxes))):
        x1, y1, x2, y2 = (float(value) for value in boxes[n][:4])
        x2, y2 = max(x1, x2), max(y1, y2)
        colour = _COLOURS[n % len(_COLOURS)]
        draw.rounded_rectangle(
            (x1 - line, y1 - line, x2 + line, y2 + line), 3 * line, outline='#00000070', width=1
        )
        draw.rounded_rectangle((x1, y1, x2, y2), 2 * line, outline=colour, width=line)
    placed: list[tuple[float, float, float, float]] = []
    for n, label in enumerate(labels):
        place = _label_place(draw, label, font, boxes[n], image.size, placed)
        placed.append(place)
        draw.rounded_rectangle(place, 2 * line, fill=_COLOURS[n % len(_COLOURS)])
        centre = ((place[0] + place[2]) / 2, (place[1] + place[3]) / 2)
        draw.text(centre, label, fill='white', font=font, anchor='mm')
    return _to_bgr(image)


def draw_detections(picture: np.ndarray, bboxes: np.ndarray) -> np.ndarray:
    """Draw detections, each with its number from 0 and its score.

    Args:
        picture: The scene.
        bboxes: (n, 5), x1 y1 x2 y2 score.

    Returns:
        The picture with them.
    """
    return draw_people(picture, bboxes, [f'{n}  {box[4]:.2f}' for n, box in enumerate(bboxes)])


def _label_place(draw, label, font, box, size, placed) -> tuple[float, float, float, float]:
    """Above the box, else inside or below it: the first place that is in the picture and free."""
    left, top, right, bottom = draw.textbbox((0, 0), label, font=font)
    width, height = right - left + font.size, font.size * 1.45
    x1, y1, _, y2 = (float(value) for value in box[:4])
    x = min(max(x1, 0), max(size[0] - width, 0))
    tops = [y1 - height - 1, y1 + 2, y2 - height - 2, y2 + 1]
    inside = [min(max(y, 0), max(size[1] - height, 0)) for y in tops]
    places = [(x, y, x + width, y + height) for y in inside]
    free = [place for place in places if not any(_overlap(place, other) for other in placed)]
    return (free or places)[0]


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def crop_person(
    scene: np.ndarray, box: Sequence[float], size: tuple[int, int], share: float = _SHARE
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Cut a person with surroundings out of a scene.

    The cut stays inside the scene where that is large enough.

    Args:
        scene: The picture.
        box: Of the person.
        size: Width and height of the cut.
        share: Of the cut that the box takes.

    Returns:
        The cut, and the box in it.
    """
    width, height = size
    x1, y1, x2, y2 = (float(value) for value in box[:4])
    scale = share * min(width / max(x2 - x1, 1.0), height / max(y2 - y1, 1.0))
    corner, inner = [], True
    for low, high, out, inside in (
        (x1, x2, width, scene.shape[1]),
        (y1, y2, height, scene.shape[0]),
    ):
        wanted = (low + high - out / scale) / 2
        room = inside - out / scale
        inner = inner and room >= 0
        corner.append(min(max(wanted, 0), room) if room >= 0 else room / 2)
    matrix = np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]]])
    smaller = cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC
    if scale < 0.5:
        # warpAffine knows no area filter: what shrinks much is made smaller before.
        factor = max(round(0.75 / scale), 1)
        small = cv2.resize(scene, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
        ratio = np.array([scene.shape[1] / small.shape[1], scene.shape[0] / small.shape[0]])
        matrix[:, :2] = np.diag(scale * ratio)
        scene = small
    # Inside the scene nothing of what is outside may shine in at its edge.
    border = cv2.BORDER_REPLICATE if inner else cv2.BORDER_CONSTANT
    cut = cv2.warpAffine(
        scene, matrix, size, flags=smaller, borderMode=border, borderValue=(238, 236, 234)
    )
    placed = tuple((value - corner[i % 2]) * scale for i, value in enumerate((x1, y1, x2, y2)))
    return cut, placed


def draw_cards(cards: Sequence[Card], columns: int = 5) -> np.ndarray:
    """Draw cards in rows.

    Args:
        cards: What is drawn; none gives a sheet that says so.
        columns: Cards in a row.

    Returns:
        The sheet.
    """
    if not columns >= 1:
        raise ValueError(f'columns={columns}: must be 1 or more')
    columns = min(columns, max(len(cards), 1))
    rows = max(-(-len(cards) // columns), 1)
    card = (_CROP[0] + 2 * _PAD, _CROP[1] + _TEXT + _PAD)
    size = (columns * (card[0] + _GAP) + _GAP, rows * (card[1] + _GAP) + _GAP)
    sheet = Image.new('RGB', (size[0] * _FINE, size[1] * _FINE), _PAPER)
    draw = ImageDraw.Draw(sheet)
    if not cards:
        middle = (size[0] * _FINE // 2, size[1] * _FINE // 2)
        draw.text(middle, 'nobody found', _FAINT, _font(14 * _FINE), anchor='mm')
    for n, one in enumerate(cards):
        x = _GAP + (n % columns) * (card[0] + _GAP)
        y = _GAP + (n // columns) * (card[1] + _GAP)
        _draw_card(sheet, draw, one, x * _FINE, y * _FINE, (card[0] * _FINE, card[1] * _FINE))
    return _to_bgr(sheet.resize(size, Image.Resampling.LANCZOS))


def _draw_card(sheet, draw, card: Card, x: int, y: int, size: tuple[int, int]) -> None:
    pad, crop = _PAD * _FINE, (_CROP[0] * _FINE, _CROP[1] * _FINE)
    right = x + size[0] - pad
    draw.rounded_rectangle(
        (x, y, x + size[0], y + size[1]), _ROUND * _FINE, fill=_CARD, outline=_TRACK, width=_FINE
    )
    colour = _QUERY if card.similarity is None else _ACCENT
    _paste_crop(sheet, card, colour, x + pad, y + pad, crop)
    top = y + pad + crop[1] + 8 * _FINE
    draw.text((x + pad, top), card.title, colour if card.similarity is None else _INK,
              _font(14 * _FINE, bold=True))  # fmt: skip
    if card.similarity is not None:
        text = f'{card.similarity:.3f}'
        draw.text((right, top), text, _INK, _font(14 * _FINE), anchor='ra')
        bar = (x + pad, top + 20 * _FINE, right, top + 23 * _FINE)
        draw.rounded_rectangle(bar, 2 * _FINE, fill=_TRACK)
        filled = x + pad + (right - x - pad) * min(max(card.similarity, 0), 1)
        if filled > x + pad + 3 * _FINE:
            draw.rounded_rectangle((bar[0], bar[1], filled, bar[3]), 2 * _FINE, fill=_ACCENT)
    small = _font(11 * _FINE)
    width = right - x - pad
    draw.text((x + pad, top + 30 * _FINE), _fit(card.name, small, width), _INK, small)
    draw.text((x + pad, top + 46 * _FINE), _fit(card.place, small, width), _FAINT, small)


def _paste_crop(sheet, card: Card, colour: str, x: int, y: int, size: tuple[int, int]) -> None:
    mask = Image.new('L', size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *size), (_ROUND - 4) * _FINE, fill=255)
    if card.scene is None:
        image = Image.new('RGB', size, _NOTHING)
        middle = (size[0] // 2, size[1] // 2)
        font = _font(12 * _FINE)
        ImageDraw.Draw(image).text(middle, 'no picture', _FAINT, font, anchor='mm')
    else:
        cut, box = crop_person(card.scene, card.box, size)
        image = _from_bgr(cut)
        frame = ImageDraw.Draw(image, 'RGBA')
        frame.rounded_rectangle(box, 4 * _FINE, outline=colour, width=2 * _FINE + 1)
    sheet.paste(image, (x, y), mask)


def _fit(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """Shorten a text in its middle until it fits."""
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text), 1, -1):
        short = f'{text[: kept // 2]}…{text[len(text) - (kept - kept // 2) :]}'
        if font.getlength(short) <= width:
            return short
    return '…'
