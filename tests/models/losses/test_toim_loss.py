import torch
import torch.nn.functional as F

from mmdet_ps.core import dist
from mmdet_ps.models.losses import TOIMLoss, toim_loss
from mmdet_ps.models.losses.identity_means import common_identity_means

from .test_triplet_loss import slow_triplet


def toim(**kwargs):
    args = dict(oim=dict(num_pids=4, queue_size=2, feat_channels=3), triplet=dict(mining='hard'))
    return TOIMLoss(**(args | kwargs))


def test_table_rows_of_the_batch_join_the_candidates():
    torch.manual_seed(0)
    loss = toim()
    rows = F.normalize(torch.randn(4, 3))
    loss.oim.memory.update(rows[:3], torch.tensor([0, 1, 2]))
    # Identity 3 is in the batch but untouched, 2 is touched but not in the batch.
    feats, pids = F.normalize(torch.randn(4, 3)), torch.tensor([0, 1, 3, -1])
    value = loss.eval()(feats, pids)['loss_tri']
    joined = torch.cat((feats, rows[:2])), torch.cat((pids, torch.tensor([0, 1])))
    torch.testing.assert_close(value, slow_triplet(*joined, 0.3, 'hard'), rtol=1e-5, atol=1e-6)
    alone = toim(use_lut=False)
    alone.oim.memory.load_state_dict(loss.oim.memory.state_dict())
    assert value > 0 and alone(feats, pids)['loss_tri'] == 0


def test_identity_zero_takes_part():
    loss = toim()
    loss.oim.memory.update(torch.eye(3)[:2], torch.tensor([0, 1]))
    feats = torch.tensor([[0.0, 1.0, 0.0]])
    # The farthest positive is row 0, the only candidate of its identity.
    assert loss(feats, torch.tensor([0]))['loss_tri'] == 0  # no negative in the batch
    feats, pids = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]), torch.tensor([0, 1])
    assert loss(feats, pids)['loss_tri'] > 1


def test_people_are_handed_on_with_what_was_known_before_them():
    loss = toim()
    first, second = torch.randn(2, 3, 3)
    pids = torch.tensor([2, -1, 0])
    loss(first, pids)
    table, queue = loss.oim.memory.prototypes()
    feats = second.requires_grad_()
    losses, people = loss.losses_and_people(feats, pids)
    assert list(losses) == ['loss_oim', 'loss_tri']
    torch.testing.assert_close(people.feats, F.normalize(feats))
    assert people.pids.equal(pids)
    assert people.prototypes.table.equal(table) and people.prototypes.queue.equal(queue)
    assert not loss.oim.memory.table.equal(table) and not loss.oim.memory.queue.equal(queue)
    assert not people.prototypes.table.requires_grad
    people.feats.sum().backward()
    assert feats.grad.ne(0).any()


def test_people_are_gathered_once(monkeypatch):
    """Features and pids, each once, for triplets, memory and whoever compares branches."""
    calls = []
    gather = toim_loss.gather_rows
    monkeypatch.setattr(toim_loss, 'gather_rows', lambda x: calls.append('pids') or gather(x))
    monkeypatch.setattr(toim_loss, 'gather_rows_with_grad', lambda x: calls.append('feats') or x)
    monkeypatch.setattr(dist, '_gather_unequal', lambda x: calls.append('sent') or ([x], 0))
    loss = toim()
    people = [loss.losses_and_people(torch.randn(3, 3), torch.tensor([0, 1, -1]))[1]]
    people += [loss.losses_and_people(torch.randn(2, 3), torch.tensor([1, 0]))[1]]
    common_identity_means(*people)
    assert calls == ['feats', 'pids', 'sent'] * 2


def test_half_precision_is_lifted():
    """Features of a half map are compared in float32, under autocast too."""
    loss = toim().eval()
    loss.oim.memory.update(torch.eye(3), torch.tensor([0, 1, 2]))
    feats, pids = torch.randn(4, 3).bfloat16(), torch.tensor([0, 1, 1, -1])
    expected = loss(feats.float(), pids)
    with torch.autocast('cpu', torch.bfloat16):
        got = loss(feats, pids)
    assert got == expected


def test_weights():
    args = dict(num_pids=4, queue_size=2, feat_channels=3)
    feats, pids = torch.randn(6, 3), torch.tensor([0, 0, 1, 1, 2, 2])
    plain = TOIMLoss(args, dict(margin=2.0))(feats, pids)
    weighted = TOIMLoss(args | dict(loss_weight=3.0), dict(margin=2.0, loss_weight=0.5))(
        feats, pids
    )
    assert plain['loss_tri'] > 0
    torch.testing.assert_close(weighted['loss_oim'], 3 * plain['loss_oim'])
    torch.testing.assert_close(weighted['loss_tri'], 0.5 * plain['loss_tri'])


def test_names_stay_the_same():
    loss = toim()
    for pids in ([], [-1], [0, 0, 1], [2]):
        feats = torch.randn(len(pids), 3)
        assert list(loss(feats, torch.tensor(pids, dtype=torch.long))) == ['loss_oim', 'loss_tri']
    assert list(toim(triplet=None)(torch.randn(1, 3), torch.tensor([0]))) == ['loss_oim']


def test_prototypes_get_no_gradient_and_are_read_before_the_update():
    loss = toim()
    loss.oim.memory.update(torch.eye(3), torch.tensor([0, 1, 2]))
    feats = F.normalize(torch.randn(3, 3)).requires_grad_()
    sum(loss(feats, torch.tensor([0, 1, 2])).values()).backward()
    assert feats.grad.isfinite().all() and feats.grad.abs().sum() > 0
