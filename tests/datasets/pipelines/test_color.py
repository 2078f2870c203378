import numpy as np
import pytest

from mmdet_ps.datasets.pipelines import ChannelJitter


def jitter(img, seed=0, **options):
    np.random.seed(seed)
    return ChannelJitter(**options)(dict(img=img))['img']


def test_each_channel_has_its_own_gain_and_shift():
    img = np.random.default_rng(0).integers(60, 190, (8, 9, 3)).astype(np.uint8)
    out = jitter(img, gain=0.1, shift=0.1)
    assert out.dtype == np.float32
    lines = [np.polyfit(img[..., c].ravel(), out[..., c].ravel(), 1) for c in range(3)]
    for c, (gain, shift) in enumerate(lines):
        np.testing.assert_allclose(img[..., c] * gain + shift, out[..., c], atol=1e-2)
        assert 0.9 <= gain <= 1.1 and -25.5 <= shift <= 25.5
    assert len({round(float(gain), 4) for gain, _ in lines}) == 3


def test_whole_range_is_drawn_from():
    black, grey = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 100, np.uint8)
    gains = [jitter(grey, s, gain=0.1, shift=0)[0, 0, 0] for s in range(300)]
    assert 90 <= min(gains) < 92 and 108 < max(gains) <= 110
    shifts = [jitter(black, s, gain=0, shift=0.1)[0, 0, 0] for s in range(300)]
    assert min(shifts) == 0 and 24 < max(shifts) <= 25.5


def test_values_stay_in_range_and_the_source_is_untouched():
    img = np.array([[[0, 128, 255]]], np.uint8)
    for seed in range(30):
        out = jitter(img, seed, gain=1, shift=1)
        assert out.min() >= 0 and out.max() <= 255
    assert img.tolist() == [[[0, 128, 255]]]


def test_nothing_to_change():
    img = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    np.testing.assert_array_equal(jitter(img, gain=0, shift=0), img)


def test_bad_strength_is_named():
    with pytest.raises(ValueError, match='gain=-0.1'):
        ChannelJitter(gain=-0.1)
    with pytest.raises(ValueError, match='shift=2'):
        ChannelJitter(shift=2)
