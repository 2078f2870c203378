import math

import pytest
import torch
import torch.nn.functional as F

from mmdet_ps.models.losses import TOIMLoss


def oim(**kwargs):
    return TOIMLoss(dict(num_pids=2, queue_size=1, feat_channels=2, focal_gamma=0) | kwargs)


def filled(**kwargs):
    """Two identities on the axes, a queue of one entry against the first; the loss alone."""
    loss = oim(**kwargs)
    loss.oim.memory.table.copy_(torch.eye(2))
    loss.oim.memory.queue.copy_(torch.tensor([[-1.0, 0.0]]))
    return loss.eval()


def value_of(loss, feats, pids):
    return loss(feats, pids)['loss_oim']


def test_by_hand():
    # Similarities 1, 0 and -1, divided by 0.5.
    expected = -math.log(math.exp(2) / (math.exp(2) + 1 + math.exp(-2)))
    value = value_of(filled(temperature=0.5), torch.tensor([[3.0, 0.0]]), torch.tensor([0]))
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_queue_has_its_own_temperature():
    expected = -math.log(math.exp(2) / (math.exp(2) + 1 + math.exp(-4)))
    loss = filled(temperature=0.5, queue_temperature=0.25)
    value = value_of(loss, torch.tensor([[3.0, 0.0]]), torch.tensor([0]))
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_focal_factor():
    p = math.exp(2) / (math.exp(2) + 1 + math.exp(-2))
    loss = filled(temperature=0.5, focal_gamma=2.0)
    value = value_of(loss, torch.tensor([[3.0, 0.0]]), torch.tensor([0]))
    assert value.item() == pytest.approx(-((1 - p) ** 2) * math.log(p), abs=1e-7)


def focal(feat, gamma, dtype=torch.float64):
    """The definition, in double precision: loss and gradient of the similarity with identity 0."""
    similarity = torch.tensor(feat, dtype=dtype, requires_grad=True)
    rows = torch.tensor([[1.0, 0], [0, 1], [-1, 0]], dtype=dtype)
    p = (F.normalize(similarity, dim=1) @ rows.t() / 0.5).softmax(dim=1)[:, 0]
    loss = ((1 - p) ** gamma * -p.log()).mean()
    loss.backward()
    return loss.float(), similarity.grad.float()


@pytest.mark.parametrize('gamma', [0.0, 0.3, 0.5, 1.0, 2.0, 3.5])
def test_focal_factor_and_its_gradient(gamma):
    given = [[3.0, 0.1], [0.2, 0.7]]
    feats = torch.tensor(given, requires_grad=True)
    value = value_of(filled(temperature=0.5, focal_gamma=gamma), feats, torch.tensor([0, 0]))
    value.backward()
    expected, grad = focal(given, gamma)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(feats.grad, grad)


@pytest.mark.parametrize('gamma', [0.0, 0.01, 0.5, 0.99, 1.0, 2.0])
@pytest.mark.parametrize('temperature', [0.1, 0.01, 0.001])
def test_focal_factor_at_certainty(gamma, temperature):
    """At p = 1 the loss is 0 and flat, whatever the exponent."""
    feats = torch.tensor([[1.0, 0.1]], requires_grad=True)
    value = value_of(filled(temperature=temperature, focal_gamma=gamma), feats, torch.tensor([0]))
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-3)
    assert feats.grad.abs().max() < 0.05


def test_focal_gamma_below_zero():
    with pytest.raises(ValueError, match='focal_gamma=-0.5 of OIMLoss: allowed is 0 or more'):
        oim(focal_gamma=-0.5)


@pytest.mark.parametrize('average, people', [('labelled', 2), ('all', 3)])
def test_average(average, people):
    feats, pids = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), torch.tensor([0, 1, -1])
    loss = filled(temperature=0.5, average=average, loss_weight=0.7)
    logits = torch.tensor([[1.0, 0, -1], [0, 1, 0]]) / 0.5
    expected = 0.7 * F.cross_entropy(logits, torch.tensor([0, 1]), reduction='sum') / people
    torch.testing.assert_close(value_of(loss, feats, pids), expected)


def test_first_step_knows_nobody():
    """All rows are zero, so each of P + Q classes is equally likely."""
    loss = oim(num_pids=5532, queue_size=5000, feat_channels=256)
    value = value_of(loss, torch.randn(3, 256), torch.tensor([0, 7, 5531]))
    assert value.item() == pytest.approx(math.log(5532 + 5000), abs=1e-4)


def test_loss_sees_the_memory_before_the_update():
    loss = filled().train()
    feats, pids = torch.tensor([[0.6, 0.8]], requires_grad=True), torch.tensor([0])
    before = feats.detach() @ torch.tensor([[1.0, 0, -1], [0, 1, 0]]) / 0.1
    value = value_of(loss, feats, pids)
    assert value.item() == pytest.approx(F.cross_entropy(before, pids).item(), abs=1e-6)
    expected = F.normalize(torch.tensor([0.8, 0.4]), dim=0)
    torch.testing.assert_close(loss.oim.memory.table[0], expected)
    value.backward()  # The update did not touch what autograd reads.
    assert feats.grad.abs().sum() > 0


def test_memory_rests_in_evaluation():
    loss = filled()
    table, queue = loss.oim.memory.prototypes()
    loss(torch.tensor([[0.6, 0.8], [0.6, 0.8]]), torch.tensor([0, -1]))
    assert torch.equal(loss.oim.memory.table, table)
    assert torch.equal(loss.oim.memory.queue, queue)


@pytest.mark.parametrize('pids', [[], [-1, -1]])
def test_nobody_with_identity(pids):
    feats = torch.randn(len(pids), 2, requires_grad=True)
    value = value_of(filled().train(), feats, torch.tensor(pids, dtype=torch.long))
    assert value.item() == 0
    value.backward()
    assert torch.equal(feats.grad, torch.zeros_like(feats))


def test_gradient_is_that_of_cross_entropy():
    loss = filled(temperature=0.5)
    feats = torch.randn(4, 2, dtype=torch.float64).float().requires_grad_()
    pids = torch.tensor([0, 1, 1, 0])
    value_of(loss, feats, pids).backward()
    other = feats.detach().clone().requires_grad_()
    rows = torch.tensor([[1.0, 0], [0, 1], [-1, 0]])
    F.cross_entropy(F.normalize(other) @ rows.t() / 0.5, pids).backward()
    torch.testing.assert_close(feats.grad, other.grad)


@pytest.mark.parametrize('pid', [2, 7])
def test_pid_beyond_the_table(pid):
    with pytest.raises(ValueError, match=f'person_id {pid}.*num_pids=2'):
        filled()(torch.randn(1, 2), torch.tensor([pid]))


def test_unknown_average():
    with pytest.raises(ValueError, match="average='some'.*labelled, all"):
        oim(average='some')


def test_memory_is_as_asked_for():
    memory = oim(num_pids=3, queue_size=4, momentum=0.75, normalize_table=False).oim.memory
    memory.update(torch.tensor([[1.0, 0.0]]), torch.tensor([2]))
    assert memory.table.tolist() == [[0, 0], [0, 0], [0.25, 0]]
    assert memory.queue.shape == (4, 2)
