import copy
import math

import pytest
import torch
from mmcv.runner import build_optimizer
from torch import nn

from mmdet_ps.models.losses import MutualInformationLoss
from mmdet_ps.models.losses.mutual_information_loss import PairStatistic, donsker_varadhan

TURNS = 'TurnsOptimizerConstructor'


def correlated(n, rho):
    first, noise = torch.randn(2, n, 1)
    return first, rho * first + math.sqrt(1 - rho**2) * noise


@pytest.mark.parametrize('rho', [0.7, 0.9])
def test_bound_approaches_the_known_information_of_gaussians(rho):
    """Two correlated Gaussians share -log(1 - rho^2) / 2 nats."""
    torch.manual_seed(0)
    loss = MutualInformationLoss(feat_channels=(1, 1), hidden_channels=24, loss_weight=1.0)
    optimizer = build_optimizer(loss, dict(type='Adam', constructor=TURNS, lr=1e-2))
    for _ in range(600):
        value = loss(*correlated(96, rho), ())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    loss.eval()
    with torch.no_grad():
        bound = -sum(loss(*correlated(192, rho), ()).item() for _ in range(80)) / 80
    assert bound == pytest.approx(-0.5 * math.log(1 - rho**2), rel=0.1)


def test_scores_are_those_of_the_concatenations():
    torch.manual_seed(0)
    statistic = PairStatistic(7, 5)
    feats_a, feats_b = torch.randn(3, 4), torch.randn(2, 3)
    scores = statistic(feats_a, feats_b)
    for i, a in enumerate(feats_a):
        for j, b in enumerate(feats_b):
            hidden = (statistic[0].weight @ torch.cat((a, b)) + statistic[0].bias).clamp(min=0)
            expected = statistic[2].weight[0] @ hidden + statistic[2].bias[0]
            torch.testing.assert_close(scores[i, j], expected)


def test_bound_by_hand():
    """Joint mean (1 + 3) / 2; marginal pairs 0 and log 3: log((1 + 3) / 2) = log 2."""
    scores = torch.tensor([[1.0, 0.0], [math.log(3), 3.0]])
    assert donsker_varadhan(scores).item() == pytest.approx(2 - math.log(2))


def test_bound_is_stable_for_large_scores():
    scores = torch.tensor([[1.0, 0.0], [math.log(3), 3.0]]) + 5000
    assert donsker_varadhan(scores).item() == pytest.approx(2 - math.log(2), abs=1e-3)


def people(n=5, seed=0):
    torch.manual_seed(seed)
    return (
        torch.nn.functional.normalize(torch.randn(n, 4)).requires_grad_(),
        torch.nn.functional.normalize(torch.randn(n, 4)).requires_grad_(),
    )


def make(**kwargs):
    torch.manual_seed(1)
    return MutualInformationLoss(feat_channels=(4, 4), hidden_channels=16, **kwargs)


def test_turns():
    """Two of three steps teach the estimator alone, the third the features alone."""
    loss = make()
    for turn in range(6):
        feats = people()
        loss.zero_grad()
        loss(*feats, ()).backward()
        # The last bias shifts all scores alike, which the bound does not see.
        taught = [p.grad.ne(0).any().item() for p in list(loss.estimator.parameters())[:3]]
        moved = [f.grad.ne(0).any().item() for f in feats]
        features_turn = turn % 3 == 2
        assert taught == [not features_turn] * 3
        assert moved == [features_turn] * 2


@pytest.mark.parametrize('maximize', [True, False])
def test_direction(maximize):
    """The estimator always raises the bound; features raise or lower it."""
    loss = make(maximize=maximize, loss_weight=1.0)
    feats = people()

    def bound():
        with torch.no_grad():
            return donsker_varadhan(loss.estimator(*feats)).item()

    optimizer = torch.optim.SGD([*loss.parameters(), *feats], lr=0.1)
    for turn in range(6):
        before = bound()
        optimizer.zero_grad()
        loss(*feats, ()).backward()
        optimizer.step()
        raised = turn % 3 < 2 or maximize
        assert (bound() > before) == raised


class Learner(nn.Module):
    """The loss and the features it learns from, as parameters."""

    def __init__(self, **kwargs):
        super().__init__()
        self.loss = make(**kwargs)
        self.feats = nn.ParameterList(f.detach() for f in people())

    def backward(self):
        self.loss(*self.feats, ()).backward()

    def state(self, part):
        return [p.detach().clone() for p in getattr(self, part).parameters()]


def same(ours, theirs):
    return [a.equal(b) for a, b in zip(ours, theirs, strict=True)]


OPTIMIZERS = [
    dict(type='SGD', momentum=0.9),
    dict(type='SGD', momentum=0.9, nesterov=True),
    dict(type='AdamW', betas=(0.9, 0.99)),
    dict(type='Adam', amsgrad=True),
    dict(type='RMSprop', momentum=0.9),
]
SCHEDULES = [None, dict(bias_lr_mult=2.0, custom_keys=dict(feats=dict(decay_mult=0.5)))]


@pytest.mark.parametrize('paramwise', SCHEDULES, ids=['plain', 'paramwise'])
@pytest.mark.parametrize('optimizer', OPTIMIZERS, ids=lambda o: '-'.join(map(str, o)))
def test_estimator_stands_still_in_the_features_turn(optimizer, paramwise):
    """Neither momentum nor weight decay moves it, though DDP finds its gradients."""
    learner = Learner()
    cfg = dict(constructor=TURNS, lr=0.1, weight_decay=0.1, paramwise_cfg=paramwise)
    optimizer = build_optimizer(learner, optimizer | cfg)
    for turn in range(6):
        estimator, feats = learner.state('loss'), learner.state('feats')
        optimizer.zero_grad()
        learner.backward()
        assert all(p.grad is not None for p in learner.parameters())
        optimizer.step()
        # The last bias shifts all scores alike, which the bound does not see.
        assert same(learner.state('loss')[:3], estimator[:3]) == [turn % 3 == 2] * 3
        if turn % 3 == 2:
            assert learner.state('loss')[3].equal(estimator[3])
        assert not any(same(learner.state('feats'), feats))


@pytest.mark.parametrize('steps, moves', [(3, True), (2, True), (1, False)])
@pytest.mark.parametrize('optimizer', OPTIMIZERS[:3], ids=lambda o: '-'.join(map(str, o)))
def test_accumulated_gradients(optimizer, steps, moves):
    """A step of the optimizer after several turns, the last of which is the features'."""
    learner = Learner()
    cfg = dict(constructor=TURNS, lr=0.1, weight_decay=0.1)
    optimizer = build_optimizer(learner, optimizer | cfg)
    for _ in range(3 - steps):
        optimizer.zero_grad()
        learner.backward()
        optimizer.step()
    before = learner.state('loss')
    optimizer.zero_grad()
    for _ in range(steps):
        learner.backward()
    optimizer.step()
    assert same(learner.state('loss')[:3], before[:3]) == [not moves] * 3


@pytest.mark.parametrize('optimizer', OPTIMIZERS[:3], ids=lambda o: '-'.join(map(str, o)))
def test_resume_goes_on_to_the_last_bit(optimizer):
    cfg = optimizer | dict(constructor=TURNS, lr=0.1, weight_decay=0.1)

    def steps(learner, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            learner.backward()
            optimizer.step()

    first = Learner()
    optimizer = build_optimizer(first, cfg)
    steps(first, optimizer, 4)
    second = Learner()
    second.load_state_dict(first.state_dict())
    resumed = build_optimizer(second, cfg)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    steps(first, optimizer, 4)
    steps(second, resumed, 4)
    assert all(same(first.state_dict().values(), second.state_dict().values()))


def test_turns_go_on_after_a_resume():
    first = make()
    for _ in range(2):
        first(*people(), ())
    second = make()
    second.load_state_dict(first.state_dict())
    feats = people()
    second(*feats, ()).backward()
    assert feats[0].grad.ne(0).any()


@pytest.mark.parametrize('n', [0, 1])
def test_fewer_than_two_identities(n):
    loss = make()
    for _ in range(3):
        feats = people(n)
        value = loss(*feats, ())
        value.backward()
        assert value.item() == 0
        assert all(f.grad.eq(0).all() for f in feats)
        assert all(p.grad.eq(0).all() for p in loss.parameters())


def test_evaluation_takes_no_turn():
    loss = make().eval()
    loss(*people(), ())
    assert loss.step.item() == 0


def test_two_identities_are_enough():
    loss = make(loss_weight=0.5)
    feats = people(2)
    with torch.no_grad():
        expected = -0.5 * donsker_varadhan(loss.estimator(*feats))
    value = loss(*feats, ())
    assert value.item() != 0
    torch.testing.assert_close(value.detach(), expected)


def test_defaults_are_the_published_ones():
    loss = MutualInformationLoss()
    assert (loss.loss_weight, loss.estimator_turns, loss.maximize) == (0.2, 2, True)


def test_size():
    assert MutualInformationLoss().estimator[0].weight.shape == (256, 512)
    assert MutualInformationLoss(feat_channels=(10, 6)).estimator[0].weight.shape == (8, 16)


def test_an_estimator_must_learn():
    with pytest.raises(ValueError, match='estimator_turns=0 of MutualInformationLoss: at least 1'):
        make(estimator_turns=0)
