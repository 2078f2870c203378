import cv2
import numpy as np
import pytest

from mmdet_ps.datasets.synthetic import scene as scene_module
from mmdet_ps.datasets.synthetic.camera import make_camera
from mmdet_ps.datasets.synthetic.figure import draw_figure
from mmdet_ps.datasets.synthetic.scene import MIN_VISIBLE, render_scene
from mmdet_ps.datasets.synthetic.wardrobe import draw_wardrobe


@pytest.mark.parametrize('seed', range(8))
def test_figure_fills_its_box(seed):
    rng = np.random.default_rng(seed)
    figure = draw_figure(rng, draw_wardrobe(rng), 150.0)
    assert figure.layers.dtype == np.float32
    assert figure.layers[..., 3].min() >= 0
    assert figure.layers[..., 3].max() <= 1.0001
    x1, y1, x2, y2 = figure.box
    assert figure.body[y1:y2, x1:x2].sum() == figure.body.sum()
    assert 0.8 * 150 <= y2 - y1 <= 1.15 * 150
    assert 0.2 * 150 <= x2 - x1 <= 0.9 * 150
    # Nothing touches the canvas' sides or top: the person is drawn whole.
    assert not figure.body[0].any()
    assert not figure.body[:, [0, -1]].any()


def test_same_person_twice_is_drawn_in_two_poses():
    rng = np.random.default_rng(0)
    wardrobe = draw_wardrobe(rng)
    first, second = (draw_figure(rng, wardrobe, 100.0).layers for _ in range(2))
    assert np.abs(first - second).max() > 50


def test_cameras_are_fixed_and_differ():
    cameras = [make_camera(0, index, 160, 96) for index in range(6)]
    again = make_camera(0, 2, 160, 96)
    assert np.array_equal(cameras[2].background, again.background)
    assert np.array_equal(cameras[2].tint, again.tint)
    grey = np.full((96, 160, 3), 110, np.float32)
    casts = [
        camera.expose(grey, np.random.default_rng(0)).reshape(-1, 3).mean(0) for camera in cameras
    ]
    for k, first in enumerate(casts):
        for second in casts[k + 1 :]:
            assert np.abs(first - second).max() > 8


@pytest.mark.parametrize('index', range(6))
def test_every_part_of_a_camera_follows_the_seed(index):
    first, second = make_camera(0, index, 160, 96), make_camera(1, index, 160, 96)
    for name in ('background', 'tint', 'horizon', 'slope', 'gamma', 'blur', 'noise'):
        assert not np.array_equal(getattr(first, name), getattr(second, name)), name


def test_scene_follows_its_seed():
    rng = np.random.default_rng(4)
    camera, wardrobes = make_camera(1, 0, 160, 96), [draw_wardrobe(rng) for _ in range(3)]
    scenes = [render_scene(np.random.SeedSequence(seed), camera, wardrobes) for seed in (1, 1, 2)]
    assert np.array_equal(scenes[0].picture, scenes[1].picture)
    assert np.array_equal(scenes[0].boxes, scenes[1].boxes)
    assert not np.array_equal(scenes[0].boxes, scenes[2].boxes)


def test_scene_shows_everybody_where_the_boxes_say():
    rng = np.random.default_rng(4)
    camera = make_camera(1, 0, 320, 192)
    wardrobes = [draw_wardrobe(rng) for _ in range(4)] + [None]
    scene = render_scene(np.random.SeedSequence(9), camera, wardrobes)
    assert scene.picture.shape == (192, 320, 3)
    assert scene.picture.dtype == np.uint8
    assert scene.boxes.shape == (5, 4)
    x, y, w, h = scene.boxes.T
    assert (x >= 0).all() and (y >= 0).all() and (w > 0).all() and (h > 0).all()
    assert (x + w <= 320).all() and (y + h <= 192).all()
    assert (scene.visible >= MIN_VISIBLE).all() and (scene.visible <= 1).all()
    # Inside the boxes the picture differs from the empty scene far more than outside.
    empty = camera.expose(camera.background, np.random.default_rng(0)).astype(float)
    change = cv2.blur(np.abs(scene.picture - empty).max(2), (3, 3))
    for k in range(5):
        inside = change[y[k] : y[k] + h[k], x[k] : x[k] + w[k]]
        assert inside.mean() > 1.3 * np.median(change)


def test_nearer_people_are_taller():
    camera = make_camera(0, 0, 480, 288)
    assert camera.foot_row(60) < camera.foot_row(120) < camera.foot_row(240)


def test_too_many_people_are_refused(monkeypatch):
    monkeypatch.setattr(scene_module, '_TRIES', 2)
    camera = make_camera(0, 0, 160, 96)
    with pytest.raises(RuntimeError, match='25 people'):
        render_scene(np.random.SeedSequence(0), camera, [None] * 25)
