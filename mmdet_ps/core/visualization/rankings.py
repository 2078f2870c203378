"""A picture of ranked search results: a row a query, the best gallery boxes beside it.

Pictures are (H, W, 3) uint8, blue, green, red; boxes x1 y1 x2 y2 in pixels.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from ..evaluation import Ranking

QUERY, RIGHT, WRONG = (200, 120, 30), (60, 160, 30), (45, 45, 215)
_PAPER, _INK, _FAINT, _OUTSIDE = (255, 255, 255), (40, 40, 40), (120, 120, 120), (225, 225, 225)
_CELL = (150, 230)
_GAP, _LINE, _HEAD = 12, 20, 44
_FONT = cv2.FONT_HERSHEY_SIMPLEX
# The box's share of its cell; the rest is context.
_SHARE = 0.72


def choose_queries(count: int, asked: int | Sequence[int]) -> list[int]:
    """Queries to draw: those asked for, or ``asked`` of them evenly spread over the protocol.

    Raises:
        ValueError: for a number that is not 1 to ``count``, or an index that is not below it.
    """
    if isinstance(asked, int):
        if not 1 <= asked <= count:
            raise ValueError(f'--queries {asked}: the protocol has 1 to {count} to draw')
        return [int(q) for q in np.linspace(0, count - 1, asked).round()]
    outside = [q for q in asked if not 0 <= q < count]
    if outside:
        raise ValueError(f'--queries: there is no query {outside[0]}; they are 0 to {count - 1}')
    return list(asked)


def _crop(picture: np.ndarray, box: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """The surroundings of a box, framed in ``colour``, in a cell's size."""
    width, height = _CELL
    x1, y1, x2, y2 = (float(value) for value in box[:4])
    scale = _SHARE * min(width / max(x2 - x1, 1.0), height / max(y2 - y1, 1.0))
    corner = np.array([(x1 + x2 - width / scale) / 2, (y1 + y2 - height / scale) / 2])
    matrix = np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]]])
    smaller = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    cell = cv2.warpAffine(picture, matrix, _CELL, flags=smaller, borderValue=_OUTSIDE)
    ends = (np.array([[x1, y1], [x2, y2]]) - corner) * scale
    (left, top), (right, bottom) = ends.round().astype(int).tolist()
    cv2.rectangle(cell, (left, top), (right, bottom), colour, 2, cv2.LINE_AA)
    cv2.rectangle(cell, (0, 0), (width - 1, height - 1), colour, 6)
    return cell


def _write(sheet: np.ndarray, text: str, x: int, y: int, colour=_INK, size: float = 0.5) -> None:
    cv2.putText(sheet, text, (x, y), _FONT, size, colour, 1, cv2.LINE_AA)


def _legend(sheet: np.ndarray, topk: int, title: str) -> None:
    x = _GAP
    _write(sheet, title, x, 18, _INK, 0.55)
    entries = [('query', QUERY), ('right person', RIGHT), ('wrong', WRONG)]
    for text, colour in entries:
        cv2.rectangle(sheet, (x, 26), (x + 12, 38), colour, -1)
        _write(sheet, text, x + 18, 37, _INK, 0.45)
        x += 36 + cv2.getTextSize(text, _FONT, 0.45, 1)[0][0]
    _write(sheet, f'ranks 1 - {topk}, number: cosine similarity', x, 37, _FAINT, 0.45)


def draw_search(
    ranking: Ranking,
    queries: Sequence[int],
    read: Callable[[str], np.ndarray],
    topk: int = 5,
    title: str = '',
) -> np.ndarray:
    """Draw the best boxes of some queries.

    Args:
        ranking: what was found; see ``load_rankings``.
        queries: indices of the queries to draw, a row each.
        read: gives a picture by the name that the ranking uses.
        topk: boxes a query, at most the 10 that a ranking holds.
        title: written above.

    Returns:
        The picture.

    Raises:
        ValueError: for ``topk`` outside 1 to 10.
    """
    if not 1 <= topk <= ranking.top_sims.shape[1]:
        raise ValueError(f'--topk {topk}: must be 1 to {ranking.top_sims.shape[1]}')
    width, height = _CELL
    row = _GAP + 2 * _LINE + height
    shape = (_HEAD + len(queries) * row + _GAP, _GAP + (topk + 1) * (width + _GAP) + _GAP, 3)
    sheet = np.full(shape, _PAPER, np.uint8)
    _legend(sheet, topk, title or f'search results, {ranking.feature}, {ranking.protocol}')
    for place, query in enumerate(queries):
        y = _HEAD + place * row + _GAP
        name = str(ranking.image_names[ranking.query_images[query]])
        truths = int(ranking.gt_indptr[query + 1] - ranking.gt_indptr[query])
        label = f'query {query}: AP {100 * ranking.ap[query]:.0f} %'
        _write(sheet, label, _GAP, y + 14)
        _write(sheet, f'{truths} to find', _GAP, y + 14 + _LINE, _FAINT, 0.45)
        _put(sheet, _crop(read(name), ranking.query_boxes[query], QUERY), _GAP, y + 2 * _LINE)
        for k in range(topk):
            x = 2 * _GAP + (k + 1) * (width + _GAP)
            image = int(ranking.top_images[query, k])
            if image < 0:
                _write(sheet, 'nobody', x, y + 14 + _LINE, _FAINT)
                continue
            colour = RIGHT if ranking.top_right[query, k] else WRONG
            text = f'{k + 1}: {ranking.top_sims[query, k]:.2f}'
            _write(sheet, text, x, y + 14 + _LINE, colour)
            found = read(str(ranking.image_names[image]))
            _put(sheet, _crop(found, ranking.top_boxes[query, k], colour), x, y + 2 * _LINE)
    return sheet


def _put(sheet: np.ndarray, cell: np.ndarray, x: int, y: int) -> None:
    sheet[y : y + cell.shape[0], x : x + cell.shape[1]] = cell
