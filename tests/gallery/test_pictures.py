import cv2
import numpy as np
import pytest
from PIL import Image

from mmdet_ps.gallery.pictures import as_picture, read_upright
from mmdet_ps.utils.pictures import PictureError

# What has to be done to the stored pixels, by EXIF orientation.
UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p),
}


@pytest.mark.parametrize('ending', ['.png', '.webp'])
@pytest.mark.parametrize('orientation', UPRIGHT)
def test_exif_orientation_is_turned_upright(tmp_path, orientation, ending):
    stored = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f'a{ending}'
    Image.fromarray(stored[..., ::-1]).save(path, exif=exif, lossless=True)
    assert np.array_equal(read_upright(path), UPRIGHT[orientation](stored))


def test_jpeg_is_turned_too(tmp_path):
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:, 16:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / 'a.jpg', exif=exif)
    read = read_upright(tmp_path / 'a.jpg')
    assert read.shape == (32, 16, 3) and read[:14].max() < 30 and read[18:].min() > 220


def test_broken_pictures_are_named(tmp_path):
    whole = cv2.imencode('.jpg', np.random.default_rng(0).integers(0, 256, (90, 90, 3)))[1]
    for name, data, why in (
        ('empty.jpg', b'', 'empty'),
        ('cut.jpg', whole.tobytes()[:2000], 'cut off'),
        ('text.jpg', b'hello', 'not a picture'),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(PictureError, match=f'{name}: .*{why}'):
            read_upright(tmp_path / name)
    (tmp_path / 'folder.jpg').mkdir()
    with pytest.raises(PictureError, match='folder.jpg: Is a directory'):
        read_upright(tmp_path / 'folder.jpg')
    with pytest.raises(PictureError, match='gone.jpg: No such file'):
        read_upright(tmp_path / 'gone.jpg')


def test_arrays_are_taken_as_they_are_or_refused():
    given = np.zeros((4, 5, 3), np.uint8)
    assert as_picture(given) is given
    for wrong in (given[..., 0], given.astype(np.float32), given[:0]):
        with pytest.raises(ValueError, match='a picture is an array'):
            as_picture(wrong)
