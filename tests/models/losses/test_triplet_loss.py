import pytest
import torch
import torch.nn.functional as F

from mmdet_ps.models.losses import TOIMLoss, TripletLoss


def slow_triplet(feats, pids, margin, mining):
    """Every triplet in three loops."""
    distance = torch.cdist(feats[None], feats[None], compute_mode='donot_use_mm_for_euclid_dist')[0]
    values, per_anchor = [], []
    for a, anchor in enumerate(pids.tolist()):
        if anchor < 0:
            continue
        positives = [i for i, p in enumerate(pids.tolist()) if p == anchor and i != a]
        negatives = [i for i, p in enumerate(pids.tolist()) if p >= 0 and p != anchor]
        for p in positives:
            for n in negatives:
                values.append((margin + distance[a, p] - distance[a, n]).clamp(min=0))
        if positives and negatives:
            far = max(distance[a, p] for p in positives)
            near = min(distance[a, n] for n in negatives)
            per_anchor.append((margin + far - near).clamp(min=0))
    values = values if mining == 'all' else per_anchor
    return torch.stack(values).mean() if values else torch.zeros(())


@pytest.mark.parametrize('mining', ['all', 'hard'])
@pytest.mark.parametrize('seed', range(6))
def test_equals_loops(mining, seed):
    torch.manual_seed(seed)
    pids = torch.randint(-1, 4, (13,))
    feats = F.normalize(torch.randn(13, 5))
    ours, theirs = feats.clone().requires_grad_(), feats.clone().requires_grad_()
    value = TripletLoss(0.3, mining)(ours, pids)
    expected = slow_triplet(theirs, pids, 0.3, mining)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('mining', ['all', 'hard'])
def test_by_hand(mining):
    # Anchors 0 and 1: positive at sqrt 2, negative at 2 and sqrt 2; anchor 2 has no positive.
    feats = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    value = TripletLoss(0.3, mining)(feats, torch.tensor([5, 5, 9]))
    first = max(0, 0.3 + 2**0.5 - 2)
    assert value.item() == pytest.approx((first + 0.3) / 2, abs=1e-6)


@pytest.mark.parametrize('mining', ['all', 'hard'])
@pytest.mark.parametrize('pids', [[], [-1, -1, -1], [3, 3, 3], [0, 1, 2], [4]])
def test_no_triplet(mining, pids):
    feats = F.normalize(torch.randn(len(pids), 4)).requires_grad_()
    value = TripletLoss(0.3, mining)(feats, torch.tensor(pids, dtype=torch.long))
    assert value.item() == 0
    value.backward()
    assert feats.grad.isfinite().all()


@pytest.mark.parametrize('mining', ['all', 'hard'])
def test_equal_features_have_finite_gradients(mining):
    feats = torch.ones(4, 2, requires_grad=True)
    TripletLoss(0.3, mining)(feats, torch.tensor([0, 0, 1, 1])).backward()
    assert feats.grad.isfinite().all()


def test_unknown_mining():
    with pytest.raises(ValueError, match="mining='soft'.*all, hard"):
        TripletLoss(mining='soft')


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
    value = loss(feats, pids)['loss_tri']
    joined = torch.cat((feats, rows[:2])), torch.cat((pids, torch.tensor([0, 1])))
    torch.testing.assert_close(value, slow_triplet(*joined, 0.3, 'hard'), rtol=1e-5, atol=1e-6)
    alone = toim(use_lut=False)(feats, pids)['loss_tri']
    assert alone == 0


def test_identity_zero_takes_part():
    loss = toim()
    loss.oim.memory.update(torch.eye(3)[:2], torch.tensor([0, 1]))
    feats = torch.tensor([[0.0, 1.0, 0.0]])
    # The farthest positive is row 0, the only candidate of its identity.
    assert loss(feats, torch.tensor([0]))['loss_tri'] == 0  # no negative in the batch
    feats, pids = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]), torch.tensor([0, 1])
    assert loss(feats, pids)['loss_tri'] > 1


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
