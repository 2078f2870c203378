import torch
import torch.nn.functional as F

from mmdet_ps.models.losses.identity_means import common_identity_means as people_means
from mmdet_ps.models.losses.toim_loss import People


def common_identity_means(feats_a, pids_a, feats_b, pids_b):
    return people_means(
        People(F.normalize(feats_a), pids_a, None), People(F.normalize(feats_b), pids_b, None)
    )


def test_means_by_hand():
    """Identity 4 is in both branches (twice in one), 7 and 2 in one each, -1 is nobody."""
    feats_a = torch.tensor([[3.0, 0], [0, 2], [5, 5], [1, 1]])
    pids_a = torch.tensor([4, 4, 7, -1])
    feats_b = torch.tensor([[1.0, 0, 0], [0, 0, 9], [0, 1, 0]])
    pids_b = torch.tensor([-1, 4, 2])
    mean_a, mean_b = common_identity_means(feats_a, pids_a, feats_b, pids_b)
    # Each row counts by its direction: (1, 0) and (0, 1) average to the diagonal.
    torch.testing.assert_close(mean_a, torch.tensor([[0.5**0.5, 0.5**0.5]]))
    torch.testing.assert_close(mean_b, torch.tensor([[0.0, 0, 1]]))


def test_rows_are_aligned_by_identity():
    torch.manual_seed(0)
    feats_a, feats_b = torch.randn(12, 5), torch.randn(9, 5)
    pids_a = torch.tensor([5, 3, 3, 8, -1, 0, 5, 8, 8, 2, 0, -1])
    pids_b = torch.tensor([8, 0, 5, 9, -1, 5, 5, 0, 1])
    got = common_identity_means(feats_a, pids_a, feats_b, pids_b)
    for branch, feats, pids in ((0, feats_a, pids_a), (1, feats_b, pids_b)):
        for row, pid in enumerate((0, 5, 8)):
            unit = [f / f.norm() for f, p in zip(feats, pids, strict=True) if p == pid]
            mean = sum(unit) / len(unit)
            torch.testing.assert_close(got[branch][row], mean / mean.norm())
        assert len(got[branch]) == 3


def test_nobody_in_common_keeps_the_gradient_path():
    feats_a = torch.randn(3, 4, requires_grad=True)
    feats_b = torch.randn(2, 4, requires_grad=True)
    mean_a, mean_b = common_identity_means(
        feats_a, torch.tensor([1, 2, -1]), feats_b, torch.tensor([3, -1])
    )
    assert mean_a.shape == mean_b.shape == (0, 4)
    (mean_a.sum() + mean_b.sum()).backward()
    assert feats_a.grad.equal(torch.zeros(3, 4))
    assert feats_b.grad.equal(torch.zeros(2, 4))
