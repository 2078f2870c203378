import pytest
import torch
import torch.nn.functional as F

from mmdet_ps.models.losses import TripletLoss


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


def test_defaults_are_the_papers_triplets_and_the_published_margin():
    torch.manual_seed(0)
    pids, feats = torch.randint(0, 3, (9,)), F.normalize(torch.randn(9, 5))
    torch.testing.assert_close(TripletLoss()(feats, pids), slow_triplet(feats, pids, 0.3, 'all'))


def test_unknown_mining():
    with pytest.raises(ValueError, match="mining='soft'.*all, hard"):
        TripletLoss(mining='soft')
