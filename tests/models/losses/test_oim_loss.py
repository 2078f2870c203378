import math

import pytest
import torch
import torch.nn.functional as F

from mmdet_ps.models.losses import OIMLoss


def filled(**kwargs):
    """Two identities on the axes, a queue of one entry against the first."""
    loss = OIMLoss(**(dict(num_pids=2, queue_size=1, feat_channels=2, focal_gamma=0) | kwargs))
    loss.memory.table.copy_(torch.eye(2))
    loss.memory.queue.copy_(torch.tensor([[-1.0, 0.0]]))
    return loss.eval()


def test_by_hand():
    # Similarities 1, 0 and -1, divided by 0.5.
    expected = -math.log(math.exp(2) / (math.exp(2) + 1 + math.exp(-2)))
    value = filled(temperature=0.5)(torch.tensor([[3.0, 0.0]]), torch.tensor([0]))
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_queue_has_its_own_temperature():
    expected = -math.log(math.exp(2) / (math.exp(2) + 1 + math.exp(-4)))
    loss = filled(temperature=0.5, queue_temperature=0.25)
    value = loss(torch.tensor([[3.0, 0.0]]), torch.tensor([0]))
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_focal_factor():
    p = math.exp(2) / (math.exp(2) + 1 + math.exp(-2))
    value = filled(temperature=0.5, focal_gamma=2.0)(torch.tensor([[3.0, 0.0]]), torch.tensor([0]))
    assert value.item() == pytest.approx(-((1 - p) ** 2) * math.log(p), abs=1e-7)


@pytest.mark.parametrize('average, people', [('labelled', 2), ('all', 3)])
def test_average(average, people):
    feats, pids = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), torch.tensor([0, 1, -1])
    loss = filled(temperature=0.5, average=average)
    logits = torch.tensor([[1.0, 0, -1], [0, 1, 0]]) / 0.5
    expected = F.cross_entropy(logits, torch.tensor([0, 1]), reduction='sum') / people
    torch.testing.assert_close(loss(feats, pids), expected)


def test_first_step_knows_nobody():
    """All rows are zero, so each of P + Q classes is equally likely."""
    loss = OIMLoss(5532, 5000, focal_gamma=0)
    value = loss(torch.randn(3, 256), torch.tensor([0, 7, 5531]))
    assert value.item() == pytest.approx(math.log(5532 + 5000), abs=1e-4)


def test_loss_sees_the_memory_before_the_update():
    loss = filled().train()
    feats, pids = torch.tensor([[0.6, 0.8]], requires_grad=True), torch.tensor([0])
    before = loss.logits(feats.detach())
    value = loss(feats, pids)
    assert value.item() == pytest.approx(F.cross_entropy(before, pids).item(), abs=1e-6)
    expected = F.normalize(torch.tensor([0.8, 0.4]), dim=0)
    torch.testing.assert_close(loss.memory.table[0], expected)
    value.backward()  # The update did not touch what autograd reads.
    assert feats.grad.abs().sum() > 0


def test_memory_rests_in_evaluation():
    loss = filled()
    table = loss.memory.table.clone()
    loss(torch.tensor([[0.6, 0.8]]), torch.tensor([0]))
    assert torch.equal(loss.memory.table, table)


@pytest.mark.parametrize('pids', [[], [-1, -1]])
def test_nobody_with_identity(pids):
    feats = torch.randn(len(pids), 2, requires_grad=True)
    value = filled().train()(feats, torch.tensor(pids, dtype=torch.long))
    assert value.item() == 0
    value.backward()
    assert torch.equal(feats.grad, torch.zeros_like(feats))


def test_gradient_is_that_of_cross_entropy():
    loss = filled(temperature=0.5)
    feats = torch.randn(4, 2, dtype=torch.float64).float().requires_grad_()
    pids = torch.tensor([0, 1, 1, 0])
    loss(feats, pids).backward()
    other = feats.detach().clone().requires_grad_()
    rows = torch.tensor([[1.0, 0], [0, 1], [-1, 0]])
    F.cross_entropy(F.normalize(other) @ rows.t() / 0.5, pids).backward()
    torch.testing.assert_close(feats.grad, other.grad)


def test_pid_beyond_the_table():
    with pytest.raises(ValueError, match='person_id 7.*num_pids=2'):
        filled()(torch.randn(1, 2), torch.tensor([7]))


def test_unknown_average():
    with pytest.raises(ValueError, match="average='some'.*labelled, all"):
        OIMLoss(2, 2, average='some')
