"""Checkpoints in the published layouts with seeded weights, and what is known about them.

The authors' own network, loaded with the weights of `seeded_state` and given `picture`, gave the
boxes and features in ``tests/data/released/expected.npz`` (``alignps-dcn_calm`` apart, see there).
"""

import json
import zlib
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmdet.models import build_detector

import mmdet_ps.models  # noqa: F401
from mmdet_ps.models.converters import convert

ROOT = Path(__file__).parents[3]
DATA = ROOT / 'tests' / 'data' / 'released'
LAYOUTS = [
    f'{arch}_{dataset}'
    for arch in ('alignps', 'alignps-dcn', 'roi_alignps')
    for dataset in ('cuhk', 'prw')
]


def layout(name):
    """Shape of each tensor of a published file, by name."""
    groups = json.loads((DATA / 'layouts.json').read_text())
    return {
        key: tuple(shape)
        for group in groups
        if name in group['layouts']
        for key, shape in group['tensors'].items()
    }


def blank_state(name):
    """Tensors of the right shapes that take no memory: ones."""
    return {key: torch.ones(()).expand(shape) for key, shape in layout(name).items()}


def _seeded(key, shape, offset_scale):
    rng = np.random.default_rng([0, zlib.crc32(key.encode())])
    leaf = key.rsplit('.', 1)[-1]
    if leaf in ('num_batches_tracked', 'tail'):
        return torch.zeros(shape, dtype=torch.long)
    if leaf == 'running_var':
        return torch.from_numpy(np.float32(0.5 + rng.random(shape)))
    values = np.asarray(rng.standard_normal(shape))
    if leaf == 'running_mean':
        values = 0.1 * values
    elif leaf == 'scale':
        values = 1 + 0.05 * values
    elif 'conv_offset' in key:
        values = (0.02 * offset_scale if leaf == 'weight' else 0.3) * values
    elif leaf == 'bias':
        start = {'conv_cls.bias': -1.5, 'conv_reg.bias': 4.0}
        values = 0.05 * values + start.get('.'.join(key.split('.')[-2:]), 0)
    elif leaf in ('lookup_table', 'queue', 'lut', 'cq'):
        values = values / np.linalg.norm(values, axis=1, keepdims=True)
    elif len(shape) == 1:
        values = (1 + 0.1 * values) * (0.3 if 'bn3' in key else 1)
    else:
        values = values * np.sqrt(2 / np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, np.float32)).reshape(shape)


def seeded_state(name, offset_scale=1.0):
    """Weights drawn from generators that the tensors' own names seed.

    With a small ``offset_scale`` deformable convolutions read nearly where plain ones do.
    """
    return {key: _seeded(key, shape, offset_scale) for key, shape in layout(name).items()}


def picture():
    """A smooth seeded picture, (1, 3, 320, 480), BGR, minus the mean."""
    rng = np.random.default_rng(1)
    height, width = 320, 480
    total = np.zeros((height, width, 3))
    for step in (4, 8, 16, 32, 64):
        grid = rng.standard_normal((height // step + 2, width // step + 2, 3))
        rows = np.linspace(0, grid.shape[0] - 1.001, height)[:, None]
        columns = np.linspace(0, grid.shape[1] - 1.001, width)[None]
        top, left = rows.astype(int), columns.astype(int)
        down, right = (rows - top)[..., None], (columns - left)[..., None]
        above = grid[top, left] * (1 - right) + grid[top, left + 1] * right
        below = grid[top + 1, left] * (1 - right) + grid[top + 1, left + 1] * right
        total += (above * (1 - down) + below * down) * step**0.5
    total = ((total - total.min()) / (total.max() - total.min()) * 255).astype(np.uint8)
    centred = total.astype(np.float32) - np.float32([103.53, 116.28, 123.675])
    return torch.from_numpy(centred).permute(2, 0, 1)[None]


def build(name):
    """The model of a layout's config, in evaluation mode."""
    arch, dataset = name.rsplit('_', 1)
    path = ROOT / 'configs' / 'released' / f'{arch}_r50_{dataset}.py'
    return build_detector(mmcv.Config.fromfile(path, import_custom_modules=False).model).eval()


def converted(name, **kwargs):
    """A model with converted seeded weights."""
    model = build(name)
    done = convert(seeded_state(name, **kwargs), model.state_dict())
    model.load_state_dict(done.state_dict)
    return model


@torch.no_grad()
def search(model):
    """The model's result on the picture, whose original is taken to be 1.25 times smaller."""
    meta = dict(
        img_shape=(320, 480, 3),
        ori_shape=(256, 384, 3),
        pad_shape=(320, 480, 3),
        scale_factor=np.full(4, 1.25, np.float32),
        flip=False,
    )
    return model(return_loss=False, rescale=True, img=[picture()], img_metas=[[meta]])[0]
