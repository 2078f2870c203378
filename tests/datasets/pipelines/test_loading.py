import numpy as np
import pytest

from mmdet_ps.datasets.pipelines import LoadGivenBoxes, LoadSceneImage, use_given_boxes
from mmdet_ps.utils.pictures import PictureError

from ...releases.official import write_picture


def load(folder, name='a.png', size=(40, 30), **options):
    info = dict(filename=name, width=size[0], height=size[1])
    return LoadSceneImage(**options)(dict(img_prefix=str(folder), img_info=info))


def test_picture_and_what_belongs_to_it(tmp_path):
    write_picture(tmp_path / 'a.png', (40, 30))
    results = load(tmp_path)
    expected = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(results['img'], expected)
    assert results['filename'] == str(tmp_path / 'a.png') and results['ori_filename'] == 'a.png'
    assert results['img_shape'] == results['ori_shape'] == (30, 40, 3)
    assert results['img_fields'] == ['img']


def test_options_of_the_base_class(tmp_path):
    write_picture(tmp_path / 'a.png', (40, 30))
    bgr = load(tmp_path)['img']
    rgb = load(tmp_path, channel_order='rgb', to_float32=True)['img']
    assert rgb.dtype == np.float32
    np.testing.assert_array_equal(rgb[..., ::-1], bgr)


def test_broken_pictures_are_named(tmp_path):
    with pytest.raises(PictureError, match='b.png: no such picture'):
        load(tmp_path, 'b.png')
    (tmp_path / 'b.png').write_bytes(b'')
    with pytest.raises(PictureError, match='b.png: the picture is empty'):
        load(tmp_path, 'b.png')
    (tmp_path / 'b.png').write_bytes(b'text')
    with pytest.raises(PictureError, match='b.png: not a readable picture'):
        load(tmp_path, 'b.png')


def test_given_boxes_know_their_sources():
    with pytest.raises(ValueError, match="source='all'"):
        LoadGivenBoxes('all')


def test_pipelines_that_cannot_take_boxes_are_named():
    with pytest.raises(ValueError, match='begin with loading'):
        use_given_boxes(dict(pipeline=[dict(type='Resize')]), 'gt')
    with pytest.raises(ValueError, match='no Collect'):
        use_given_boxes(dict(pipeline=[dict(type='LoadSceneImage')]), 'gt')
