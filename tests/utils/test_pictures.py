import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmdet_ps.utils.pictures import (
    PictureError,
    box_position,
    decode_picture,
    has_area,
    is_truncated,
    missing_pictures,
    picture_size,
)

from ..faults import check_reader


def encoded(kind, size=(70, 50), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def with_thumbnail():
    """A JPEG with a whole small JPEG in its header, as cameras write them."""
    thumbnail = encoded('JPEG', (16, 12))
    segment = b'\xff\xe1' + (len(thumbnail) + 8).to_bytes(2, 'big') + b'Thumb\0' + thumbnail
    outer = encoded('JPEG')
    return outer[:2] + segment + outer[2:]


FILES = {
    'baseline': encoded('JPEG'),
    'progressive': encoded('JPEG', progressive=True),
    'thumbnail': with_thumbnail(),
    'png': encoded('PNG'),
}


@pytest.mark.parametrize('kind', FILES)
def test_whole_files_are_whole_even_with_bytes_behind_them(kind):
    assert not is_truncated(FILES[kind])
    assert not is_truncated(FILES[kind] + b'\0' * 100)
    assert decode_picture(FILES[kind], kind).shape == (50, 70, 3)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_every_cut_is_refused(kind, data):
    whole = FILES[kind]
    cut = data.draw(st.integers(0, len(whole) - 5))
    with pytest.raises(PictureError, match='name.jpg'):
        decode_picture(whole[:cut], 'name.jpg')


def test_a_cut_is_seen_without_decoding():
    assert is_truncated(FILES['baseline'][:-200])
    assert is_truncated(FILES['thumbnail'][:-200])
    assert is_truncated(FILES['png'][:-5])


def test_picture_size_is_that_of_the_header(tmp_path):
    for kind, data in FILES.items():
        path = tmp_path / kind
        path.write_bytes(data)
        assert picture_size(path) == (70, 50)
        path.write_bytes(data[:-300])
        with pytest.raises(PictureError, match=f'{kind}: the picture is truncated'):
            picture_size(path)


def test_picture_size_names_a_file_that_is_no_picture(tmp_path):
    path = tmp_path / 'a.jpg'
    with pytest.raises(PictureError, match='a.jpg: no such picture'):
        picture_size(path)
    path.write_bytes(b'<html>login</html>')
    with pytest.raises(PictureError, match='a.jpg: not a readable picture'):
        picture_size(path)
    path.write_bytes(b'')
    with pytest.raises(PictureError, match='a.jpg: not a readable picture'):
        picture_size(path)


def test_orientation_flag_does_not_turn_the_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded('JPEG', exif=exif)
    turned = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert turned.shape == (70, 50, 3)
    assert decode_picture(data, 'a').shape == (50, 70, 3)


def test_missing_pictures_keeps_the_order(tmp_path):
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'sub' / 'b.jpg').touch()
    (tmp_path / 'a.jpg').touch()
    names = ['z.jpg', 'sub/b.jpg', 'a.jpg', 'sub/a.jpg', 'none/a.jpg']
    assert missing_pictures(tmp_path, names) == ['z.jpg', 'sub/a.jpg', 'none/a.jpg']
    assert missing_pictures(tmp_path / 'absent', ['a.jpg']) == ['a.jpg']


edge = st.integers(-15, 15)


@given(edge, edge, st.integers(1, 12), st.integers(1, 12))
def test_box_position_counts_pixels(x, y, w, h):
    pixels = [(i, j) for i in range(x, x + w) for j in range(y, y + h)]
    inside = sum(0 <= i < 10 and 0 <= j < 8 for i, j in pixels)
    expected = 'outside' if not inside else 'inside' if inside == len(pixels) else 'partly'
    assert box_position([x, y, w, h], 10, 8) == expected


def test_has_area_needs_a_whole_pixel():
    boxes = [[0, 0, 1, 1], [0, 0, 0.99, 9], [0, 0, 9, 0.99], [0, 0, -5, 9], [5, 5, 2.5, 1.5]]
    assert has_area(boxes).tolist() == [True, False, False, False, True]
    assert bool(has_area(boxes[0])) and not has_area([0, 0, float('nan'), 5])
    assert has_area(np.zeros((0, 4))).shape == (0,)


def header_of(width, height):
    """A PNG whose header states this size; what follows it is of another."""
    chunk = b'IHDR' + struct.pack('>II', width, height) + b'\x08\x02\x00\x00\x00'
    data = FILES['png']
    return data[:12] + chunk + struct.pack('>I', zlib.crc32(chunk)) + data[33:]


@pytest.mark.parametrize('size', [(14_000, 14_000), (2**31 - 1, 2**31 - 1)])
def test_pictures_too_large_are_one_line(tmp_path, size):
    path = tmp_path / 'a.png'
    path.write_bytes(header_of(*size))
    with pytest.raises(PictureError, match=r'a.png: not a readable picture') as error:
        picture_size(path)
    assert '\n' not in str(error.value)


def test_more_pixels_than_opencv_takes_are_one_line():
    with pytest.raises(PictureError, match=r'a.png: not a readable picture') as error:
        decode_picture(header_of(2**20 + 1, 5), 'a.png')
    assert '\n' not in str(error.value)


def test_a_header_that_is_cut_names_its_file(tmp_path):
    """Pillow itself says "Truncated File Read" of some unnamed file."""
    path = tmp_path / 'a.png'
    for length in range(1, 40):
        path.write_bytes(FILES['png'][:length])
        with pytest.raises(PictureError, match='a.png: '):
            picture_size(path)


@pytest.mark.parametrize('kind', FILES)
def test_changed_pictures_are_one_line(tmp_path, kind):
    path = tmp_path / kind
    path.write_bytes(FILES[kind])
    check_reader(path, picture_size, 150)
    check_reader(path, lambda path: decode_picture(path.read_bytes(), str(path)), 150, seed=1)
