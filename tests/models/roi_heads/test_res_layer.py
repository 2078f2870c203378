import pytest
import torch
from mmdet.models.backbones import ResNet
from mmdet.models.roi_heads.shared_heads import ResLayer

from mmdet_ps.models.roi_heads import RoIResLayer


def state(module, prefix=''):
    return {k: v.shape for k, v in module.state_dict().items() if k.startswith(prefix)}


@pytest.mark.parametrize('depth', [18, 50])
@pytest.mark.parametrize('base_channels', [8, 64])
def test_it_is_the_last_stage_of_the_resnet(depth, base_channels):
    layer = RoIResLayer(depth, base_channels=base_channels)
    assert state(layer) == state(ResNet(depth, base_channels=base_channels), 'layer4')


def test_standard_width_is_mmdets_layer():
    torch.manual_seed(0)
    ours, theirs = RoIResLayer(18, style='caffe'), ResLayer(18, style='caffe')
    theirs.load_state_dict(ours.state_dict())
    rois = torch.randn(2, 256, 6, 6)
    assert ours.train() is ours
    theirs.train()
    assert ours(rois).equal(theirs(rois))


def test_frozen_statistics_in_training():
    layer = RoIResLayer(18, base_channels=8, norm_eval=True).train()
    assert not layer.layer4[0].bn1.training
    layer = RoIResLayer(18, base_channels=8, norm_eval=False).train()
    assert layer.layer4[0].bn1.training
