from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_ps.core.visualization.sheet import (
    CELL,
    FAINT,
    GAP,
    INK,
    LINE,
    Cell,
    Sheet,
    check_picture_name,
    crop,
    fitted,
    text_width,
    write_picture,
)

BLUE, GREEN = (200, 0, 0), (0, 200, 0)
BOX = np.array([20, 10, 60, 90])
GREY = np.full((100, 120, 3), 90, np.uint8)


def cell(picture='a', text='x', colour=BLUE, lines=1):
    return Cell([(text, FAINT)] * lines, picture, BOX, colour)


def places(sheet):
    """Left upper corners of the cells, by hand: title, one line of legend, and lines above."""
    lines = max(len(c.lines) for row in sheet.rows for c in row if c)
    head = sheet.size[1] - len(sheet.rows) * (lines * LINE + CELL[1] + 2 * GAP)
    return [
        [
            (GAP + k * (CELL[0] + GAP), head + (i + 1) * (GAP + lines * LINE) + i * (CELL[1] + GAP))
            for k in range(len(row))
        ]
        for i, row in enumerate(sheet.rows)
    ]


def test_every_cell_shows_its_own_picture():
    colours = {name: (10 * i, 250 - 10 * i, 77) for i, name in enumerate('abcdef', 1)}
    asked = []

    def read(name):
        asked.append(name)
        return np.full((100, 120, 3), colours[name], np.uint8)

    rows = [[cell('a'), cell('b'), cell('c')], [cell('d', colour=GREEN, lines=2), None, cell('f')]]
    sheet = Sheet('title', [('one', BLUE)], rows)
    picture = sheet.draw(read)
    assert picture.shape == (*sheet.size[::-1], 3) and picture.dtype == np.uint8
    assert asked == ['a', 'b', 'c', 'd', 'f']
    for row, corners in zip(rows, places(sheet), strict=True):
        for shown, (x, y) in zip(row, corners, strict=True):
            part = picture[y : y + CELL[1], x : x + CELL[0]]
            if shown is None:
                assert (part == 255).all()
            else:
                assert np.array_equal(part, crop(read(shown.picture), BOX, shown.colour))
                assert (part[1, 1] == shown.colour).all()
    # The picture's margins are empty.
    for edge in (picture[-4:], picture[:, -4:], picture[:, :4]):
        assert (edge == 255).all()


def test_crop_shows_the_box_with_context():
    picture = GREY.copy()
    picture[10:90, 20:60] = (0, 0, 255)
    shown = crop(picture, BOX, BLUE).astype(int)
    red = (np.abs(shown - (0, 0, 255)).max(2) < 30).mean()
    # The 40 x 80 box is scaled by 0.72 * 230 / 80 to 83 x 166 pixels of the cell's 150 x 230; its
    # frame covers about two of them on each side.
    assert red == pytest.approx((83 - 4) * (166 - 4) / (150 * 230), rel=0.06)
    assert (np.abs(shown - 90).max(2) < 10).mean() > 0.3


@pytest.mark.parametrize('box', [[-50, -50, -10, -10], [5, 5, 5, 5], [0, 0, 119, 99]])
def test_any_box_can_be_drawn(box):
    assert crop(GREY, np.array(box), BLUE).shape == (CELL[1], CELL[0], 3)


def drawn_texts(sheet, monkeypatch):
    """Text, left, right and base line of all that is written into a sheet."""
    written = []
    put = cv2.putText

    def putText(image, text, place, font, size, *more):  # noqa: N802
        width = cv2.getTextSize(text, font, size, 1)[0][0]
        written.append((text, place[0], place[0] + width, place[1]))
        return put(image, text, place, font, size, *more)

    monkeypatch.setattr(cv2, 'putText', putText)
    sheet.draw(lambda name: GREY)
    return written


def test_lines_stand_in_their_order_above_the_cell(monkeypatch):
    lines = [('first', INK), ('second', INK), ('third', INK)]
    sheet = Sheet('title', [], [[Cell(lines, 'a', BOX), cell(text='only')]])
    base = {text: y for text, *_, y in drawn_texts(sheet, monkeypatch)}
    top = places(sheet)[0][0][1]
    assert [base[text] - top for text, _ in lines] == [-46, -26, -6]
    assert base['only'] == base['third']


def test_heads_stand_above_their_columns(monkeypatch):
    """Each over its own columns, between the legend and the cells, with a line below."""
    rows = [[cell(text='x') for _ in range(6)]]
    heads = {1: 'one', 2: 'a model with a name that is wider than its column', 3: 'three to five'}
    plain = Sheet('title', [('legend', BLUE)], rows)
    sheet = Sheet('title', [('legend', BLUE)], rows, heads)
    assert sheet.size == (plain.size[0], plain.size[1] + 28)
    written = {text: places for text, *places in drawn_texts(sheet, monkeypatch)}
    (shortened,) = (text for text in written if text.endswith('its column'))
    column = CELL[0] + GAP
    for text, place, end in (('one', 1, 2), (shortened, 2, 3), ('three to five', 3, 6)):
        left, right, base = written[text]
        assert left == GAP + place * column and right <= GAP + end * column - GAP
        assert written['legend'][2] + LINE <= base < written['x'][2] - LINE
    picture = sheet.draw(lambda name: GREY)
    top = places(sheet)[0][0][1] - LINE - GAP
    (line,) = [y for y in range(top - 4, top + 4) if (picture[y, :200] != 255).any()]
    drawn = np.flatnonzero((picture[line] == FAINT).all(axis=1))
    ends = [(1, 2), (2, 3), (3, 6)]
    expected = [np.arange(GAP + a * column, b * column) for a, b in ends]
    assert np.array_equal(drawn, np.concatenate(expected))


@pytest.mark.parametrize('columns', [1, 2, 3, 6])
def test_texts_neither_overlap_nor_are_cut(columns, monkeypatch):
    legend = [('query', BLUE), ('a rather long explanation of what this colour means', GREEN)] * 2
    legend.append(('ranks 1 - 5, number: cosine similarity', None))
    long = 'images/of/a/camera/with/a/very/long/name/c1s1_000151.jpg'
    rows = [[cell(text=long, lines=3) for _ in range(columns)]] * 2
    sheet = Sheet('search results of a model with a long name, concatenation, G4000', legend, rows)
    written = drawn_texts(sheet, monkeypatch)
    width, height = sheet.size
    assert len(written) >= 6 + 6 * columns
    for text, left, right, base in written:
        assert left >= GAP and right <= width - 4 and 12 <= base < height, text
    for i, (text, left, right, base) in enumerate(written):
        for other, left2, right2, base2 in written[:i]:
            apart = right < left2 or right2 < left or abs(base - base2) >= 12
            assert apart, (text, other)
    words = ' '.join(text for text, *_ in written)
    for whole in (sheet.title, *(text for text, _ in legend)):
        assert all(word in words for word in whole.split())
    # No text reaches into a cell.
    for corners in places(sheet):
        top = corners[0][1]
        assert not any(top - 4 < base < top + CELL[1] + 12 for *_, base in written)


def test_fitted_texts():
    assert fitted('c.jpg', 150) == ('c.jpg', 0.45)
    text, size = fitted('c1s1_000151_and_30.jpg', 150)
    assert text == 'c1s1_000151_and_30.jpg' and 0.339 < size < 0.45
    text, size = fitted('frames/' * 9 + 'c1s1_000151.jpg', 150)
    assert text.startswith('..') and text.endswith('c1s1_000151.jpg')
    assert text_width(text, size) <= 150
    assert fitted('long', 1)[0] == '..'  # the end of it
    # One letter more would be too wide.
    assert text_width('/' + text, size) > 150


def test_letters_that_cannot_be_drawn():
    Sheet('Zürich 東京', [('größer', INK)], [[cell(text='東京.jpg')]]).draw(lambda name: GREY)


def test_names_of_files():
    for name in ('a.gif', 'a', 'a.pdf'):
        with pytest.raises(ValueError, match=f'{name}: must end in .png or .jpg'):
            check_picture_name(Path(name))
    for name in ('a.png', 'a.JPG', 'b.jpeg'):
        check_picture_name(Path(name))


def test_a_picture_too_high_for_its_format_is_told_before_it_is_drawn(tmp_path):
    row = LINE + CELL[1] + 2 * GAP
    head = 2 * LINE + GAP
    fits = (65_500 - head) // row
    read = []

    def written(name, rows):
        sheet = Sheet('', [('x', BLUE)], [[cell()]] * rows)
        write_picture(tmp_path / name, sheet, lambda name: read.append(name) or GREY)

    with pytest.raises(ValueError, match=r'a.jpg: .* x \d+ pixels, a .jpg has at most 65500') as e:
        written('a.jpg', fits + 1)
    assert '\n' not in str(e.value) and read == [] and list(tmp_path.iterdir()) == []
    written('a.jpg', fits)
    assert cv2.imread(str(tmp_path / 'a.jpg')).shape[0] == fits * row + head


def test_png_is_what_was_drawn(tmp_path):
    sheet = Sheet('title', [('x', BLUE)], [[cell()]])
    write_picture(tmp_path / 'new' / 'a.png', sheet, lambda name: GREY)
    picture = cv2.imread(str(tmp_path / 'new' / 'a.png'))
    assert np.array_equal(picture, sheet.draw(lambda name: GREY))
