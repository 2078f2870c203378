"""The small models that learn drawn scenes from scratch."""

from pathlib import Path

import pytest
import torch
from mmdet.models import build_head

from mmdet_ps.apis import load_config

SYNTHETIC = Path(__file__).parents[2] / 'configs/synthetic'


@pytest.mark.parametrize('name', ['alignps_tiny', 'roi_alignps_tiny'])
def test_every_distance_starts_with_a_gradient(name):
    cfg = load_config(SYNTHETIC / f'{name}.py').model.bbox_head
    torch.manual_seed(0)
    head = build_head(cfg)
    head.init_weights()
    distances = head((torch.randn(2, 64, 36, 60),))[1][0]
    assert (distances > 0).all()
    distances.sum().backward()
    assert (head.conv_reg.bias.grad > 0).all()
