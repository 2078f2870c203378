import pytest
import torch
import torch.nn.functional as F
from mmcv import ConfigDict

from mmdet_ps.models.roi_heads import NAEBBoxHead, NormAwareEmbedding

CFG = ConfigDict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=3)


def make():
    torch.manual_seed(0)
    return NAEBBoxHead(
        dict(type='TOIMLoss', oim=dict(num_pids=3, queue_size=2, feat_channels=4)),
        in_channels=6,
        c4_channels=5,
        feat_channels=4,
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True),
        loss_bbox=dict(type='L1Loss', loss_weight=10.0),
    )


def test_embedding_by_hand():
    """Identity layers: the vector (3, 4) has length 5 and direction (0.6, 0.8)."""
    embedding = NormAwareEmbedding((1, 1), 2, projector_std=None).eval()
    for linear, norm in embedding.projectors:
        torch.nn.init.ones_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
        norm.eps = 1e-12
    embedding.rescaler.running_mean.fill_(3.0)
    embedding.rescaler.running_var.fill_(4.0)
    embedding.rescaler.eps = 1e-12
    unit, logits = embedding((torch.tensor([[3.0]]), torch.tensor([[4.0]])))
    torch.testing.assert_close(unit, torch.tensor([[0.6, 0.8]]))
    torch.testing.assert_close(logits, torch.tensor([(5.0 - 3.0) / 2.0]))


def test_scales_of_the_projections_start_small_and_of_either_sign():
    torch.manual_seed(0)
    embedding = NormAwareEmbedding((3, 5), 2000)
    embedding.init_weights()
    for linear, norm in embedding.projectors:
        for weight in linear.weight, norm.weight:
            assert weight.std().item() == pytest.approx(0.01, rel=0.1)
            assert weight.mean().abs() < 1e-3
        assert norm.bias.eq(0).all()
    assert embedding.rescaler.weight.item() == 1
    embedding = NormAwareEmbedding((3, 5), 2000, projector_std=None)
    embedding.init_weights()
    assert all(norm.weight.eq(1).all() for _, norm in embedding.projectors)


def test_channels_that_do_not_divide():
    with pytest.raises(ValueError, match='feat_channels=5 of NormAwareEmbedding: a multiple of'):
        NormAwareEmbedding((1, 1), 5)


def test_losses_by_hand():
    """Three RoIs of weight 1, one person: BCE over the three, L1 over the person's box / 3."""
    head = make()
    logits = torch.tensor([2.0, -1.0, 0.5], requires_grad=True)
    deltas = torch.tensor([[0.1, 0.2, 0.3, 0.4], [9.0, 9, 9, 9], [9.0, 9, 9, 9]])
    targets = torch.tensor([[0.0, 0.0, 0.5, 0.0], [0.0] * 4, [0.0] * 4])
    weights = torch.tensor([[1.0] * 4, [0.0] * 4, [0.0] * 4])
    losses = head.loss(
        logits[:, None],
        deltas,
        torch.zeros(3, 5),
        torch.tensor([0, 1, 1]),
        torch.ones(3),
        targets,
        weights,
    )
    expected = -(F.logsigmoid(logits[0]) + F.logsigmoid(-logits[1]) + F.logsigmoid(-logits[2])) / 3
    torch.testing.assert_close(losses['loss_cls'], expected)
    assert losses['loss_bbox'].item() == pytest.approx(10 * (0.1 + 0.2 + 0.2 + 0.4) / 3)


def test_untrained_boxes_stay_near_the_proposals():
    head = make()
    head.init_weights()
    _, deltas, _ = head(torch.rand(20, 5, 3, 3), torch.rand(20, 6, 2, 2))
    assert deltas.abs().max() < 0.05


def test_detections_keep_their_embeddings():
    head = make().eval()
    rois = torch.tensor(
        [[0.0, 0, 0, 10, 20], [0, 1, 0, 11, 20], [0, 50, 10, 70, 60], [0, 80, 0, 90, 9]]
    )
    logits = torch.tensor([0.0, 2.0, 1.0, -9.0])
    embeddings = F.normalize(torch.randn(4, 4))
    dets, feats = head.get_bboxes(
        rois, logits.sigmoid(), torch.zeros(4, 4), embeddings, (64, 96, 3), CFG
    )
    # The first is suppressed by the second, the last is below the threshold.
    expected = torch.cat((rois[[1, 2], 1:], logits[[1, 2], None].sigmoid()), dim=1)
    torch.testing.assert_close(dets, expected)
    assert feats.equal(embeddings[[1, 2]])
