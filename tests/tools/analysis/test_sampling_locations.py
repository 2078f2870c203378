"""The places that are drawn are those that the network reads, by its gradients."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmdet_ps.apis import load_config, load_model
from mmdet_ps.core.visualization.sampling_locations import sampling_locations
from mmdet_ps.models.necks import AFA

ROOT = Path(__file__).parents[3]
TOOL = str(ROOT / 'tools/analysis/sampling_locations.py')
CONFIG = str(ROOT / 'configs/synthetic/alignps_tiny.py')
tool = runpy.run_path(TOOL)


def set_offsets(neck, rng):
    """Whole offsets of -2 to 2, the same everywhere on a map, other for each layer and tap."""
    for module in neck.modules():
        if hasattr(module, 'conv_offset'):
            bias = torch.from_numpy(rng.integers(-2, 3, 18))
            module.conv_offset.bias.data = bias.float()


@pytest.mark.parametrize(
    'lateral, output', [('dcn', 'dcn'), ('conv1x1', 'dcn'), ('dcn', 'conv3x3')]
)
@pytest.mark.parametrize('fusion', ['concat', 'sum'])
@pytest.mark.parametrize('at', [(8, 11), (0, 0), (15, 23)])
def test_places_have_the_gradient(lateral, output, fusion, at):
    torch.manual_seed(0)
    neck = AFA((4, 6, 8), 5, lateral, output, fusion)
    neck.init_weights()
    set_offsets(neck, np.random.default_rng(1))
    # Positive weights: no two paths to a pixel cancel.
    for name, weight in neck.named_parameters():
        if 'conv_offset' not in name:
            weight.data = weight.data.abs() + 0.01
    maps = [
        torch.rand(1, c, 16 // 2**i, 24 // 2**i, requires_grad=True)
        for i, c in enumerate((4, 6, 8))
    ]
    (p3,), level, out, laterals = tool['samplings'](neck, lambda: neck(maps))
    assert level == 3 and sorted(laterals) == [3, 4, 5]
    p3[0, :, at[0], at[1]].sum().backward()
    for lateral_level in (3, 4):
        grad = maps[lateral_level - 3].grad[0].sum(dim=0).numpy()
        read = sampling_locations(np.array([at]), out, laterals[lateral_level])[0]
        height, width = grad.shape
        inside = {
            (int(y), int(x))
            for y, x in read[np.isfinite(read).all(axis=1)]
            if 0 <= y < height and 0 <= x < width
        }
        assert inside == set(
            zip(*(i.tolist() for i in (grad > 1e-3 * grad.max()).nonzero()), strict=True)
        )


def test_a_coarser_output_reads_its_own_level():
    torch.manual_seed(0)
    neck = AFA((4, 6, 8), 5, out_levels=(4, 5))
    maps = [torch.rand(1, c, 16 // 2**i, 24 // 2**i) for i, c in enumerate((4, 6, 8))]
    _, level, out, laterals = tool['samplings'](neck, lambda: neck(maps))
    assert level == 4 and out.size == (8, 12)
    assert {key: value.size for key, value in laterals.items()} == {4: (8, 12), 5: (4, 6)}
    assert not any(module._forward_hooks for module in neck.modules())
    with pytest.raises(ValueError, match='P6'):
        tool['samplings'](AFA((4, 6, 8), 5, out_levels=(6,)), None)


@pytest.fixture(scope='module')
def given(tmp_path_factory):
    """A checkpoint of random weights and a picture of twice the test's size."""
    folder = tmp_path_factory.mktemp('sampling')
    torch.manual_seed(0)
    model = load_model(load_config(CONFIG), None)
    torch.save(dict(state_dict=model.state_dict()), folder / 'random.pth')
    picture = np.random.default_rng(0).integers(0, 255, (576, 960, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / 'street.png'), picture)
    return folder / 'random.pth', folder / 'street.png'


def run(*arguments):
    argv, sys.argv = sys.argv, [TOOL, CONFIG, *map(str, arguments)]
    try:
        runpy.run_path(TOOL, run_name='__main__')
    finally:
        sys.argv = argv


def test_picture_of_the_right_places(given, tmp_path, monkeypatch, capsys):
    """Offsets of random weights are zero: regular filters around the location of each point."""
    drawn = []
    monkeypatch.setattr(
        'mmdet_ps.core.visualization.sampling_locations.draw_sampling_locations',
        lambda picture, centres, levels, title: drawn.append((centres, levels)) or picture,
    )
    run(*given, '--out', tmp_path / 'a.png', '--points', '500,300', '40.5,80')
    ((centres, levels),) = drawn
    # The test halves the picture: (500, 300) is (250, 150), location (31, 18) of P3.
    assert centres.tolist() == [[504, 296], [40, 88]]
    fine, coarse = levels['lateral C3 + output'], levels['lateral C4 + output']
    assert fine.shape == coarse.shape == (2, 81, 2)
    assert np.unique(fine[0, :, 0]).tolist() == [472, 488, 504, 520, 536]
    assert np.unique(fine[0, :, 1]).tolist() == [264, 280, 296, 312, 328]
    # Columns 30, 31, 32 of P3 are 15, 15, 16 of C4, rows 17, 18, 19 are 8, 9, 9.
    assert np.unique(coarse[0, :, 0]).tolist() == [464, 496, 528, 560]
    assert np.unique(coarse[0, :, 1]).tolist() == [240, 272, 304, 336]
    assert (tmp_path / 'a.png').exists()
    assert '2 points' in capsys.readouterr().out


def test_people_are_the_points(given, tmp_path, monkeypatch):
    drawn, found = [], []
    monkeypatch.setattr(
        'mmdet_ps.core.visualization.sampling_locations.draw_sampling_locations',
        lambda picture, centres, levels, title: drawn.append(centres) or picture,
    )
    monkeypatch.setattr(
        'mmdet_ps.models.detectors.search_mixin.search_result',
        lambda *args: dict(bboxes=np.array(found).reshape(-1, 5)),
    )
    with pytest.raises(SystemExit) as stop:
        run(*given, '--out', tmp_path / 'none.png')
    assert stop.value.code == 2 and not (tmp_path / 'none.png').exists()
    found += [[400, 200, 600, 400, 0.9], [20, 40, 61, 120, 0.8], [0, 0, 9, 9, 0.7]]
    run(*given, '--out', tmp_path / 'a.png', '--people', '2')
    assert drawn[0].tolist() == [[504, 296], [40, 88]]


def test_wrong_input_is_one_line(given, tmp_path, capsys):
    checkpoint, picture = given
    out = ('--out', tmp_path / 'a.png')
    broken = tmp_path / 'broken.png'
    broken.write_bytes(picture.read_bytes()[:999])
    for arguments, told in (
        ((checkpoint, picture, '--out', tmp_path / 'a.gif'), 'a.gif: must end in .png'),
        ((checkpoint, picture, *out, '--points', '5'), 'X,Y in pixels'),
        ((checkpoint, picture, *out, '--points', '960,5'), 'outside the picture of 960x576'),
        ((checkpoint, picture, *out, '--people', '0'), '--people 0'),
        ((checkpoint, tmp_path / 'no.png', *out), 'no.png'),
        ((checkpoint, broken, *out), 'truncated'),
        ((tmp_path / 'no.pth', picture, *out), 'no.pth'),
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            run(*arguments)
        assert stop.value.code == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if 'error: ' in line]
        assert len(lines) == 1 and told in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ['broken.png']
