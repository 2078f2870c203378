from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_ps.apis import load_config
from mmdet_ps.apis.pictures import load_pictures
from mmdet_ps.utils.pictures import PictureError

CONFIG = Path(__file__).parents[2] / 'configs/synthetic/alignps_tiny.py'


def test_pictures_become_a_batch(tmp_path):
    """Each is resized to fit 480 x 288, padded to multiples of 32, then to the largest."""
    cfg = load_config(CONFIG)
    paths = [tmp_path / 'a.png', tmp_path / 'b.png']
    cv2.imwrite(str(paths[0]), np.full((576, 960, 3), 200, np.uint8))
    cv2.imwrite(str(paths[1]), np.full((300, 300, 3), 100, np.uint8))
    data = load_pictures(cfg, paths)
    (img,), (metas,) = data['img'], data['img_metas']
    assert img.shape == (2, 3, 288, 480)
    assert [meta['img_shape'] for meta in metas] == [(288, 480, 3), (288, 288, 3)]
    assert metas[0]['scale_factor'].tolist() == [0.5] * 4
    assert metas[1]['scale_factor'].tolist() == pytest.approx([0.96] * 4)
    assert img[0, :, 9, 9].tolist() == pytest.approx(
        [(200 - 103.53) / 57.375, (200 - 116.28) / 57.12, (200 - 123.675) / 58.395]
    )
    assert not img[1, :, :, 288:].any() and img[1, :, :, :288].all()
    assert load_pictures(cfg, paths[1:])['img'][0].shape == (1, 3, 288, 288)


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(PictureError, match='no.jpg'):
        load_pictures(load_config(CONFIG), [tmp_path / 'no.jpg'])
