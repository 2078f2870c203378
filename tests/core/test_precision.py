"""Precision of parts; whole trainings are in tests/apis/test_train_modes.py."""

import copy
import pickle

import pytest
import torch
from torch import nn

from mmdet_ps.core.precision import train_in_bfloat16


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Conv2d(1, 2, 1)


def pickled(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize('copied', [copy.deepcopy, pickled])
def test_a_copy_runs_its_own_weights(copied):
    """As weight averaging needs it, in both modes."""
    torch.manual_seed(0)
    model = Model()
    train_in_bfloat16(model)
    other = copied(model)
    with torch.no_grad():
        other.backbone.weight.fill_(2.0)
        other.backbone.bias.fill_(0.0)
    picture = torch.full((1, 1, 2, 2), 1.001)
    # bfloat16 has 8 bits: 1.001 is 1.
    assert other.train().backbone(picture).unique().tolist() == [2.0]
    assert other.eval().backbone(picture).unique().item() == pytest.approx(2.002)
    model.train()
    assert not model.backbone(picture).eq(2.0).any()
    assert model.backbone(picture).dtype == torch.float32


def test_a_copy_has_a_mode_of_its_own():
    model = Model()
    train_in_bfloat16(model)
    other = copy.deepcopy(model).eval()
    picture = torch.rand(1, 1, 3, 3)
    assert model.training
    expected = nn.functional.conv2d(picture, other.backbone.weight, other.backbone.bias)
    assert other.backbone(picture).equal(expected)
    assert not model.backbone(picture).equal(expected)


def test_twice_is_once():
    model = Model()
    train_in_bfloat16(model)
    train_in_bfloat16(model)
    assert model.backbone(torch.rand(1, 1, 2, 2)).dtype == torch.float32
