"""Sheets of cells: people cut out of their pictures, framed in a colour, with lines of text above.

Pictures are (H, W, 3) uint8, blue, green, red; boxes x1 y1 x2 y2 in pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ...utils.io import atomic_write
from ...utils.pictures import decode_picture

Colour = tuple[int, int, int]

INK, FAINT = (40, 40, 40), (120, 120, 120)
_PAPER, _OUTSIDE = (255, 255, 255), (225, 225, 225)
CELL = (150, 230)
GAP, LINE = 12, 20
_HEADS = 28
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SIZE, _SMALLEST, _SQUARE = 0.45, 0.34, 12
# The box's share of its cell; the rest is context.
_SHARE = 0.72
# Pixels a side that the formats hold.
_LONGEST = {'.jpg': 65_500, '.jpeg': 65_500, '.png': 1_000_000}


@dataclass
class Cell:
    """One person in a sheet.

    Attributes:
        lines: texts above, from the top, each with its colour.
        picture: name of the picture; empty for a cell of text alone.
        box: (4 or more,) x1 y1 x2 y2.
        colour: of the frame.
    """

    lines: list[tuple[str, Colour]]
    picture: str = ''
    box: np.ndarray | None = None
    colour: Colour = INK


@dataclass
class Sheet:
    """Rows of cells below a title and a legend.

    Attributes:
        title: above everything.
        legend: texts with the colour of the square before each; without one where it is None.
        rows: None leaves a place empty.
        heads: texts above the columns, by the column in which each begins; it reaches to the next.
    """

    title: str
    legend: list[tuple[str, Colour | None]]
    rows: list[list[Cell | None]]
    heads: dict[int, str] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width = _left(self._columns)
        return width, self._head(width)[1] + len(self.rows) * self._row_height

    @property
    def _columns(self) -> int:
        return max(len(row) for row in self.rows)

    @property
    def _row_height(self) -> int:
        lines = max(len(cell.lines) for row in self.rows for cell in row if cell)
        return lines * LINE + CELL[1] + 2 * GAP

    def _head(self, width: int) -> tuple[list[tuple[str, Colour | None, int, int]], int]:
        """Texts of title and legend with colour and place; the height of them and the heads."""
        lines = _wrapped(self.title, width - 2 * GAP)
        placed: list[tuple[str, Colour | None, int, int]] = [
            (line, None, GAP, (i + 1) * LINE) for i, line in enumerate(lines)
        ]
        x, y = GAP, (len(lines) + 1) * LINE
        for text, colour in self.legend:
            indent = 0 if colour is None else _SQUARE + GAP // 2
            for number, line in enumerate(_wrapped(text, width - 2 * GAP - indent)):
                needed = indent + text_width(line)
                if x > GAP and x + needed > width - GAP:
                    x, y = GAP, y + LINE
                placed.append((line, None if number else colour, x + indent, y))
                # Behind a text of several lines nothing else follows.
                x += width if number else needed + 2 * GAP
        return placed, y + GAP + (_HEADS if self.heads else 0)

    def draw(self, read: Callable[[str], np.ndarray]) -> np.ndarray:
        """Draw the sheet; ``read`` gives a picture by its name."""
        width, height = self.size
        sheet = np.full((height, width, 3), _PAPER, np.uint8)
        placed, y = self._head(width)
        for text, colour, x, base in placed:
            if colour is not None:
                left = x - _SQUARE - GAP // 2
                cv2.rectangle(sheet, (left, base - _SQUARE), (left + _SQUARE, base), colour, -1)
            _write(sheet, text, x, base - 1, INK)
        for column, end in zip(self.heads, [*self.heads, self._columns][1:], strict=True):
            left, right = _left(column), _left(end) - GAP
            text, size = fitted(self.heads[column], right - left)
            _write(sheet, text, left, y - 8, INK, size)
            cv2.line(sheet, (left, y), (right - 1, y), FAINT)
        for row in self.rows:
            bottom = y + self._row_height - GAP
            for column, cell in enumerate(row):
                if cell is not None:
                    _put(sheet, cell, _left(column), bottom, read)
            y += self._row_height
        return sheet


def check_picture_name(path: Path) -> None:
    """Refuse a file name that does not end in .png or .jpg.

    Raises:
        ValueError: naming it.
    """
    if path.suffix.lower() not in _LONGEST:
        raise ValueError(f'--out {path}: must end in .png or .jpg')


def pictures_in(folder: str | None) -> Callable[[str], np.ndarray]:
    """Make a function that reads a picture of a folder by its name."""

    def read(name: str) -> np.ndarray:
        path = Path(folder or '', name)
        return decode_picture(path.read_bytes(), str(path))

    return read


def write_picture(path: Path, sheet: Sheet, read: Callable[[str], np.ndarray]) -> None:
    """Draw a sheet into a file, whole or not at all.

    Args:
        path: a name that ends in .png or .jpg.
        sheet: what is drawn.
        read: gives a picture by its name.

    Raises:
        ValueError: for another name, or a sheet with a side that is too long for it; before
            anything is drawn.
    """
    check_picture_name(path)
    longest = _LONGEST[path.suffix.lower()]
    if max(sheet.size) > longest:
        raise ValueError(
            f'--out {path}: the picture would have {sheet.size[0]} x {sheet.size[1]} pixels, '
            f'a {path.suffix} has at most {longest} a side: draw fewer queries, or a .png'
        )
    done, encoded = cv2.imencode(path.suffix, sheet.draw(read))
    if not done:
        raise ValueError(f'--out {path}: OpenCV cannot encode the picture')
    with atomic_write(path) as stream:
        stream.write(encoded.tobytes())


def _left(column: int) -> int:
    """Where a column begins; of one beyond the last, the width of the sheet."""
    return GAP + column * (CELL[0] + GAP)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words that are no wider than ``width``, as far as words are not."""
    lines = ['']
    for word in text.split(' '):
        longer = f'{lines[-1]} {word}'.strip()
        if not lines[-1] or text_width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _plain(text: str) -> str:
    """A text in the letters that OpenCV has."""
    return text.encode('ascii', 'replace').decode()


def text_width(text: str, size: float = _SIZE) -> int:
    """Width of a text in pixels."""
    return cv2.getTextSize(_plain(text), _FONT, size, 1)[0][0]


def fitted(text: str, width: int) -> tuple[str, float]:
    """A text that is no wider than ``width``: in smaller letters, or without its beginning."""
    size = _SIZE
    while size > _SMALLEST and text_width(text, size) > width:
        size -= 0.01
    shown = text
    while text and text_width(shown, size) > width:
        text = text[1:]
        shown = f'..{text}'
    return shown, size


def _write(
    sheet: np.ndarray, text: str, x: int, y: int, colour: Colour, size: float = _SIZE
) -> None:
    cv2.putText(sheet, _plain(text), (x, y), _FONT, size, colour, 1, cv2.LINE_AA)


def _put(
    sheet: np.ndarray, cell: Cell, x: int, bottom: int, read: Callable[[str], np.ndarray]
) -> None:
    width, height = CELL
    top = bottom - height
    for number, (text, colour) in enumerate(reversed(cell.lines)):
        shown, size = fitted(text, width)
        _write(sheet, shown, x, top - 6 - number * LINE, colour, size)
    if cell.box is not None:
        sheet[top:bottom, x : x + width] = crop(read(cell.picture), cell.box, cell.colour)


def crop(picture: np.ndarray, box: np.ndarray, colour: Colour) -> np.ndarray:
    """The surroundings of a box, framed in ``colour``, in a cell's size."""
    width, height = CELL
    x1, y1, x2, y2 = (float(value) for value in box[:4])
    scale = _SHARE * min(width / max(x2 - x1, 1.0), height / max(y2 - y1, 1.0))
    corner = np.array([(x1 + x2 - width / scale) / 2, (y1 + y2 - height / scale) / 2])
    matrix = np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]]])
    smaller = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    cell = cv2.warpAffine(picture, matrix, CELL, flags=smaller, borderValue=_OUTSIDE)
    ends = (np.array([[x1, y1], [x2, y2]]) - corner) * scale
    (left, top), (right, bottom) = ends.round().astype(int).tolist()
    cv2.rectangle(cell, (left, top), (right, bottom), colour, 2, cv2.LINE_AA)
    cv2.rectangle(cell, (0, 0), (width - 1, height - 1), colour, 6)
    return cell
