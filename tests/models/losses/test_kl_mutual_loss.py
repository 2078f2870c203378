import math

import pytest
import torch
import torch.nn.functional as F

from mmdet_ps.models.losses import KLMutualLoss
from mmdet_ps.models.memories import Prototypes


def posteriors(feat, known, tau):
    """Eq. 1, one class after the other."""
    table = [math.exp(sum(v * x for v, x in zip(row, feat, strict=True)) / tau) for row in known[0]]
    queue = [math.exp(sum(u * x for u, x in zip(row, feat, strict=True)) / tau) for row in known[1]]
    return [value / (sum(table) + sum(queue)) for value in table]


def divergence(p, q):
    """Eq. 8, over the identities of the table."""
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


A = Prototypes([[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.6, -0.8]])
R = Prototypes([[0.0, 1.0], [0.8, 0.6]], [[1.0, 0.0], [0.0, -1.0], [0.6, 0.8]])
FEATS = [[1.0, 0.0], [0.8, -0.6], [0.0, 1.0]], [[0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]]


def tensors(dtype=torch.float32):
    known = tuple(Prototypes(*(torch.tensor(v, dtype=dtype) for v in side)) for side in (A, R))
    return [torch.tensor(f, dtype=dtype, requires_grad=True) for f in FEATS], known


@pytest.mark.parametrize('direction', ['alignps_to_roi', 'roi_to_alignps', 'both'])
@pytest.mark.parametrize('tau', [0.5, 2.0])
def test_by_hand(direction, tau):
    expected = 0.0
    for feat_a, feat_r in zip(*FEATS, strict=True):
        p_a, p_r = posteriors(feat_a, A, tau), posteriors(feat_r, R, tau)
        expected += divergence(p_a, p_r) * (direction != 'roi_to_alignps')
        expected += divergence(p_r, p_a) * (direction != 'alignps_to_roi')
    feats, known = tensors()
    loss = KLMutualLoss(temperature=tau, direction=direction, loss_weight=2)(*feats, known)
    assert loss.item() == pytest.approx(2 * expected / 3, rel=1e-5)


def test_the_papers_direction_and_temperature_are_the_defaults():
    expected = sum(
        divergence(posteriors(a, A, 0.1), posteriors(r, R, 0.1))
        for a, r in zip(*FEATS, strict=True)
    )
    feats, known = tensors()
    assert KLMutualLoss()(*feats, known).item() == pytest.approx(expected / 3, rel=1e-5)


@pytest.mark.parametrize(
    'direction, taught',
    [('alignps_to_roi', [1]), ('roi_to_alignps', [0]), ('both', [0, 1])],
)
def test_gradient_is_that_of_finite_differences_with_fixed_targets(direction, taught):
    """A branch moves by the divergence from the other one's posterior, which stands still."""
    tau, step = 0.5, 1e-6
    feats, known = tensors(torch.float64)
    KLMutualLoss(temperature=tau, direction=direction)(*feats, known).backward()
    for branch in (0, 1):
        target = [posteriors(f, (A, R)[1 - branch], tau) for f in FEATS[1 - branch]]
        for row in range(3):
            for column in range(2):
                values = []
                for sign in (1, -1):
                    moved = list(FEATS[branch][row])
                    moved[column] += sign * step
                    p = posteriors(moved, (A, R)[branch], tau)
                    values.append(divergence(target[row], p) / 3)
                slope = (values[0] - values[1]) / (2 * step) * (branch in taught)
                assert feats[branch].grad[row, column].item() == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize('direction', ['alignps_to_roi', 'roi_to_alignps', 'both'])
def test_identical_branches_cost_nothing(direction):
    feats = F.normalize(torch.randn(4, 8))
    known = Prototypes(F.normalize(torch.randn(7, 8)), F.normalize(torch.randn(5, 8)))
    loss = KLMutualLoss(direction=direction)
    assert loss(feats, feats.clone(), (known, known)).item() == 0


def test_queue_is_in_the_denominator_alone():
    """A queue against which the taught branch is far away takes nothing from its identities."""
    feats = torch.tensor([[1.0, 0.0]])
    table = torch.tensor([[0.0, 1.0]])
    near, far = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]])
    known = Prototypes(table, near), Prototypes(table, far)
    p_a, p_r = 1 / (1 + math.exp(1)), 1 / (1 + math.exp(-1))
    loss = KLMutualLoss(temperature=1.0)(feats, feats, known).item()
    assert loss == pytest.approx(p_a * math.log(p_a / p_r))
    assert -1 / math.e < loss < 0


def test_nobody():
    _, known = tensors()
    feats = torch.zeros(0, 2, requires_grad=True)
    loss = KLMutualLoss()(feats, feats, known)
    loss.backward()
    assert loss.item() == 0
    assert feats.grad is not None


def test_the_target_keeps_a_gradient_path():
    """DistributedDataParallel wants a gradient of every parameter."""
    feats, known = tensors()
    KLMutualLoss()(*feats, known).backward()
    assert feats[0].grad.eq(0).all() and feats[1].grad.ne(0).any()


def test_tables_of_another_length():
    feats, known = tensors()
    short = Prototypes(known[1].table[:1], known[1].queue)
    with pytest.raises(ValueError, match='num_pids of the branches under KLMutualLoss: 2 and 1'):
        KLMutualLoss()(*feats, (known[0], short))


@pytest.mark.parametrize(
    'wrong, message',
    [
        (dict(temperature=0.0), 'temperature=0.0 of KLMutualLoss: allowed is above 0'),
        (
            dict(direction='up'),
            "direction='up' of KLMutualLoss: allowed are alignps_to_roi, roi_to",
        ),
    ],
)
def test_wrong_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        KLMutualLoss(**wrong)
