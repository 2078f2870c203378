import math

import pytest
import torch
import torch.nn.functional as F
from mmcv import ConfigDict

from mmdet_ps.models.roi_heads import OIMBBoxHead

CFG = ConfigDict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.4), max_per_img=3)


def make(**kwargs):
    torch.manual_seed(0)
    oim = dict(num_pids=3, queue_size=2, feat_channels=4)
    return OIMBBoxHead(dict(type='TOIMLoss', oim=oim), in_channels=6, feat_channels=4, **kwargs)


def test_equals_a_plain_form():
    """The mean over positions, three linear layers, a unit embedding; C4 is not read."""
    head = make()
    c5 = torch.randn(3, 6, 2, 2)
    scores, deltas, embeddings = head(torch.randn(3, 5, 4, 4), c5)
    for roi in range(3):
        mean = torch.tensor([sum(c5[roi, c].flatten().tolist()) / 4 for c in range(6)])
        for layer, got in ((head.fc_cls, scores), (head.fc_reg, deltas)):
            torch.testing.assert_close(got[roi], layer.weight @ mean + layer.bias)
        reid = head.fc_reid.weight @ mean + head.fc_reid.bias
        torch.testing.assert_close(embeddings[roi], reid / reid.norm())
    assert scores.shape == (3, 2) and deltas.shape == (3, 4)


def test_losses_by_hand():
    """Cross entropy of person and background over three RoIs, smooth L1 of the one person / 3."""
    head = make()
    scores = torch.tensor([[2.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
    deltas = torch.tensor([[0.5, 3.0, 0.0, 0.0], [9.0] * 4, [9.0] * 4])
    weights = torch.tensor([[1.0] * 4, [0.0] * 4, [0.0] * 4])
    losses = head.loss(
        *(scores, deltas, torch.zeros(3, 5), torch.tensor([0, 1, 1]), torch.ones(3)),
        *(torch.zeros(3, 4), weights),
    )
    assert list(losses) == ['loss_cls', 'loss_bbox']
    expected = math.log(1 + math.exp(-2)) + math.log(2) + math.log(1 + math.exp(-1))
    assert losses['loss_cls'].item() == pytest.approx(expected / 3)
    assert losses['loss_bbox'].item() == pytest.approx((0.5 * 0.5**2 + 3.0 - 0.5) / 3)


def test_scores_are_those_of_softmax_and_people_keep_their_embeddings():
    head = make().eval()
    rois = torch.tensor([[0.0, 0, 0, 10, 20], [0, 1, 0, 11, 20], [0, 50, 10, 70, 60]])
    scores = torch.tensor([[0.5, 0.0], [2.0, 0.0], [1.0, 2.0]])
    embeddings = F.normalize(torch.randn(3, 4))
    dets, feats = head.get_bboxes(
        rois, head.scores(scores), torch.zeros(3, 4), embeddings, (64, 96, 3), CFG
    )
    expected = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1))]
    torch.testing.assert_close(dets[:, 4], torch.tensor(expected))
    torch.testing.assert_close(dets[:, :4], rois[[1, 2], 1:])
    assert feats.equal(embeddings[[1, 2]])


def test_start():
    head = make()
    head.init_weights()
    for layer, std in ((head.fc_cls, 0.01), (head.fc_reg, 0.001), (head.fc_reid, 0.01)):
        assert layer.weight.std().item() == pytest.approx(std, rel=0.5)
        assert layer.bias.eq(0).all()


def test_no_rois():
    shapes = [out.shape for out in make()(torch.zeros(0, 5, 4, 4), torch.zeros(0, 6, 2, 2))]
    assert shapes == [(0, 2), (0, 4), (0, 4)]
