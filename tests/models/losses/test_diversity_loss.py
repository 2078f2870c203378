import pytest
import torch

from mmdet_ps.models.losses import DiversityLoss


def test_by_hand():
    """Cosines 0.6, -0.8 and 0: the mean of their absolute values is 1.4 / 3."""
    feats_a = torch.tensor([[1.0, 0], [1, 0], [0, 1]], requires_grad=True)
    feats_b = torch.tensor([[0.6, 0.8], [-0.8, 0.6], [1, 0]])
    loss = DiversityLoss(loss_weight=0.5)(feats_a, feats_b, ())
    assert loss.item() == pytest.approx(0.5 * 1.4 / 3)
    loss.backward()
    # Towards orthogonality from either side; at a right angle it rests.
    expected = 0.5 / 3 * torch.tensor([[0.6, 0.8], [0.8, -0.6], [0, 0]])
    torch.testing.assert_close(feats_a.grad, expected)


def test_nobody():
    feats = torch.zeros(0, 2, requires_grad=True)
    loss = DiversityLoss()(feats, feats, ())
    loss.backward()
    assert loss.item() == 0
    assert feats.grad is not None


def test_sizes_must_agree():
    with pytest.raises(ValueError, match='2 and 3 channels: give both branches the same feat_ch'):
        DiversityLoss(feat_channels=(2, 3))
