"""Mutual information between the branches of ROI-AlignPS (arXiv 2109.00211, Eq. 5 - 7).

Estimated as in MINE (Belghazi et al., ICML 2018). Shapes: n identities, D_a and D_b the feature
sizes of the branches.
"""

import math

import torch
from mmdet.models import LOSSES
from torch import Tensor, nn
from torch.func import functional_call

from mmdet_ps.core.optimizers import TakesTurns
from mmdet_ps.models.memories import Prototypes

from .mutual_loss import MutualLoss


class PairStatistic(TakesTurns, nn.Sequential):
    """T of MINE: the concatenation of two features -> linear -> ReLU -> linear -> a number.

    Args:
        in_channels: D_a + D_b.
        hidden_channels: Between the two linear layers.
    """

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__(
            nn.Linear(in_channels, hidden_channels), nn.ReLU(), nn.Linear(hidden_channels, 1)
        )

    def forward(self, feats_a: Tensor, feats_b: Tensor) -> Tensor:
        """Score every pair of a row of (n, D_a) with a row of (m, D_b): (n, m)."""
        # The first layer is linear: each half once, instead of n x m concatenations.
        half_a, half_b = self[0].weight.split((feats_a.shape[1], feats_b.shape[1]), dim=1)
        hidden = (feats_a @ half_a.t())[:, None] + feats_b @ half_b.t() + self[0].bias
        return self[2](self[1](hidden)).squeeze(2)


def donsker_varadhan(scores: Tensor) -> Tensor:
    """Bound mutual information from below (Eq. 6): mean of T joint - log mean exp T marginal.

    Args:
        scores: (n, n) with n >= 2, T of all pairs. The diagonal is drawn from the joint
            distribution; all other pairs, of two identities, from the product of the marginals, so
            nothing is left to a random shuffle.

    Returns:
        Scalar, in nats.
    """
    n = len(scores)
    joint = torch.eye(n, dtype=torch.bool, device=scores.device)
    marginal = scores.masked_fill(joint, -torch.inf).flatten().logsumexp(dim=0)
    return scores.diagonal().mean() - marginal + math.log(n * (n - 1))


@LOSSES.register_module()
class MutualInformationLoss(MutualLoss):
    """Negative lower bound of the mutual information between the branches' features.

    Training goes in turns: for ``estimator_turns`` steps the estimator T learns the bound from
    detached features, then for one step the features learn and T is fixed. The turn is read from
    a buffer that counts steps: the same on every process, and exact after a resume.

    In the features' turn T enters the graph with detached parameters and gets a gradient of zeros,
    since DistributedDataParallel wants one of every parameter on every step. The optimizer has to
    rest on zeros: ``optimizer.constructor='TurnsOptimizerConstructor'``, which the schedules of
    this project name, gives T a group of its own without momentum and weight decay.

    Args:
        hidden_channels: Of T; (D_a + D_b) / 2 by default, which is 256 in the paper's models.
        estimator_turns: Steps for T alone before each step for the features.
        maximize: Whether the features raise the bound (the branches learn from each other) or
            lower it (they go apart). T always raises it, which is what makes it an estimate.
        loss_weight: Factor of the loss.
        **kwargs: Arguments of `MutualLoss`.

    Note:
        The paper calls this mutual learning; raising mutual information is taken as its meaning.
    """

    name = 'loss_mi'

    def __init__(
        self,
        hidden_channels: int | None = None,
        estimator_turns: int = 2,
        maximize: bool = True,
        loss_weight: float = 0.2,
        **kwargs: object,
    ) -> None:
        super().__init__(loss_weight=loss_weight, **kwargs)
        if estimator_turns < 1:
            raise ValueError(
                f'estimator_turns={estimator_turns} of MutualInformationLoss: at least 1, '
                'an estimator that never learns estimates nothing'
            )
        channels = sum(self.feat_channels)
        self.estimator = PairStatistic(channels, hidden_channels or channels // 2)
        self.estimator_turns = estimator_turns
        self.maximize = maximize
        self.register_buffer('step', torch.zeros((), dtype=torch.long))

    def forward(
        self, feats_a: Tensor, feats_b: Tensor, prototypes: tuple[Prototypes, Prototypes]
    ) -> Tensor:
        """Take one turn (in training); 0 with fewer than two identities. See `MutualLoss`."""
        features_turn = int(self.step) % (self.estimator_turns + 1) == self.estimator_turns
        if self.training:
            self.step += 1
        with torch.autocast(feats_a.device.type, enabled=False):
            parameters = dict(self.estimator.named_parameters())
            if features_turn:
                fixed = {name: parameter.detach() for name, parameter in parameters.items()}
                scores = functional_call(self.estimator, fixed, (feats_a, feats_b))
            else:
                scores = self.estimator(feats_a.detach(), feats_b.detach())
            bound = donsker_varadhan(scores) if len(scores) > 1 else scores.sum() * 0
            sign = 1 if features_turn and not self.maximize else -1
            paths = feats_a.sum() + feats_b.sum() + sum(p.sum() for p in parameters.values())
            return self.loss_weight * sign * bound + 0 * paths
