import pytest
import torch

from mmdet_ps.models.losses import DiversityLoss

FEATS_A = [[1.0, 0], [1, 0], [0, 1]]
FEATS_B = [[0.6, 0.8], [-0.8, 0.6], [1, 0]]


@pytest.mark.parametrize('absolute, total, sign', [(False, 0.6 - 0.8, 1), (True, 0.6 + 0.8, -1)])
def test_by_hand(absolute, total, sign):
    """Cosines 0.6, -0.8 and 0."""
    feats_a = torch.tensor(FEATS_A, requires_grad=True)
    feats_b = torch.tensor(FEATS_B, requires_grad=True)
    loss = DiversityLoss(absolute=absolute, loss_weight=0.5)(feats_a, feats_b, ())
    assert loss.item() == pytest.approx(0.5 * total / 3)
    loss.backward()
    # The absolute form turns the second pair, which is beyond a right angle, back to it.
    signs = torch.tensor([[1.0], [sign], [not absolute]])
    torch.testing.assert_close(feats_a.grad, 0.5 / 3 * signs * torch.tensor(FEATS_B))
    torch.testing.assert_close(feats_b.grad, 0.5 / 3 * signs * torch.tensor(FEATS_A))


def test_opposite_features_are_as_far_apart_as_can_be():
    feats = torch.tensor(FEATS_A)
    assert DiversityLoss()(feats, -feats, ()).item() == -1
    assert DiversityLoss()(feats, feats, ()).item() == 1


def test_nobody():
    feats = torch.zeros(0, 2, requires_grad=True)
    loss = DiversityLoss()(feats, feats, ())
    loss.backward()
    assert loss.item() == 0
    assert feats.grad is not None


def test_sizes_must_agree():
    with pytest.raises(ValueError, match='2 and 3 channels: give both branches the same feat_ch'):
        DiversityLoss(feat_channels=(2, 3))
