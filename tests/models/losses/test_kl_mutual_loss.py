import math

import pytest
import torch

from mmdet_ps.models.losses import KLMutualLoss, OIMLoss


def make_oim(table, temperature):
    oim = OIMLoss(len(table), 3, feat_channels=2, temperature=temperature)
    oim.memory.table.copy_(torch.tensor(table))
    # The queue is no identity and must not matter.
    oim.memory.queue.normal_()
    return oim


@pytest.fixture
def oims():
    return make_oim([[1.0, 0], [0, 1]], 1.0), make_oim([[0.0, 1], [1, 0]], 0.5)


def posterior(first, second):
    p = math.exp(first) / (math.exp(first) + math.exp(second))
    return p, 1 - p


def test_by_hand(oims):
    feats_a = torch.tensor([[1.0, 0]], requires_grad=True)
    feats_b = torch.tensor([[0.6, 0.8]], requires_grad=True)
    p_a, p_b = posterior(1.0, 0.0), posterior(0.8 / 0.5, 0.6 / 0.5)
    expected = sum(a * math.log(a / b) + b * math.log(b / a) for a, b in zip(p_a, p_b, strict=True))
    loss = KLMutualLoss(loss_weight=2)(feats_a, feats_b, oims)
    assert loss.item() == pytest.approx(2 * expected)
    loss.backward()
    # With the other branch as fixed target, the gradient on logits is p - target.
    difference = p_a[0] - p_b[0]
    torch.testing.assert_close(feats_a.grad, 2 * torch.tensor([[difference, -difference]]))
    torch.testing.assert_close(feats_b.grad, 2 / 0.5 * torch.tensor([[difference, -difference]]))


def test_mean_over_identities(oims):
    torch.manual_seed(0)
    feats_a, feats_b = torch.randn(2, 3, 2)
    loss = KLMutualLoss()
    each = [loss(feats_a[i : i + 1], feats_b[i : i + 1], oims) for i in range(3)]
    torch.testing.assert_close(loss(feats_a, feats_b, oims), sum(each) / 3)


def test_equal_posteriors_cost_nothing(oims):
    feats = torch.tensor([[0.6, 0.8]])
    assert KLMutualLoss()(feats, feats, (oims[0], oims[0])).item() == pytest.approx(0, abs=1e-7)


def test_nobody(oims):
    feats = torch.zeros(0, 2, requires_grad=True)
    loss = KLMutualLoss()(feats, feats, oims)
    loss.backward()
    assert loss.item() == 0
    assert feats.grad is not None


def test_tables_of_another_length(oims):
    other = make_oim([[1.0, 0]], 1.0)
    with pytest.raises(ValueError, match='num_pids of the branches under KLMutualLoss: 2 and 1'):
        KLMutualLoss()(torch.zeros(1, 2), torch.zeros(1, 2), (oims[0], other))
