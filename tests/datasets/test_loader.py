import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ps.datasets.loader import EpochSampler, SeededSamples, build_dataloader


class Numbers:
    """A dataset whose samples are drawn from every kind of generator."""

    CLASSES = ('person',)

    def __init__(self, flag):
        self.flag = np.array(flag)

    def __len__(self):
        return len(self.flag)

    def __getitem__(self, index):
        return torch.tensor([index, random.random(), np.random.rand(), torch.rand(())])


@settings(max_examples=40, deadline=None)
@given(
    flag=st.lists(st.integers(0, 2), min_size=1, max_size=17),
    split=st.sampled_from([(1, 4), (2, 2), (4, 1)]),
    seed=st.integers(0, 3),
    epoch=st.integers(0, 3),
)
def test_one_order_for_any_split(flag, split, seed, epoch):
    dataset = Numbers(flag)
    whole = EpochSampler(dataset, 4, seed)
    whole.start_at(epoch, 0)
    expected = np.array(list(whole)).reshape(-1, 4, 3)
    world_size, samples = split
    parts = []
    for rank in range(world_size):
        sampler = EpochSampler(dataset, samples, seed, rank, world_size)
        sampler.start_at(epoch, 0)
        draws = list(sampler)
        assert len(draws) == len(sampler)
        parts.append(np.array(draws).reshape(-1, samples, 3))
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), expected)
    index, epochs, place = expected.reshape(-1, 3).T
    assert set(index) == set(range(len(flag)))
    assert (epochs == epoch).all()
    assert place.tolist() == list(range(len(place)))
    for batch in expected[..., 0]:
        assert len(set(dataset.flag[batch])) == 1
    # No more repeats than it takes to fill each group's last batch.
    groups = np.bincount(flag)
    assert len(index) == sum(-(-size // 4) * 4 for size in groups)


def test_epochs_differ_and_repeat():
    sampler = EpochSampler(Numbers([0] * 12), 3, seed=5)
    orders = [sampler.order(epoch).ravel().tolist() for epoch in range(4)]
    assert len({tuple(order) for order in orders}) == 4
    assert EpochSampler(Numbers([0] * 12), 3, seed=5).order(2).ravel().tolist() == orders[2]
    assert EpochSampler(Numbers([0] * 12), 3, seed=6).order(2).ravel().tolist() != orders[2]


def load(workers, start=0, persistent=False, epochs=(2,)):
    loader = build_dataloader(
        Numbers([0] * 7 + [1] * 5),
        samples_per_gpu=2,
        workers_per_gpu=workers,
        seed=9,
        runner_type='ResumableRunner',
        persistent_workers=persistent,
    )
    batches = []
    for epoch in epochs:
        loader.sampler.start_at(epoch, start)
        batches = list(loader)
    return len(loader), torch.stack(batches)


@pytest.mark.parametrize('options', [dict(workers=1), dict(workers=2)])
def test_workers_make_no_difference(options):
    """Neither their number, nor what they loaded before, nor the batches left out."""
    random.seed(0)
    length, expected = load(0)
    assert length == len(expected) == 7
    assert expected[..., 1:].unique().numel() == 7 * 2 * 3
    assert torch.equal(load(**options)[1], expected)
    assert torch.equal(load(**options, persistent=True, epochs=(0, 2))[1], expected)
    length, rest = load(**options, start=4)
    assert length == 7
    assert torch.equal(rest, expected[4:])


def test_attributes_show_through():
    samples = SeededSamples(Numbers([0, 0]), seed=0)
    assert samples.CLASSES == ('person',)
    assert len(samples) == 2
    with pytest.raises(AttributeError):
        _ = samples.nothing


def test_other_runners_get_the_loader_of_mmdet():
    loader = build_dataloader(
        Numbers([0] * 4), 2, 0, seed=0, runner_type='EpochBasedRunner', num_gpus=1, dist=False
    )
    assert not isinstance(loader.sampler, EpochSampler)
    assert len(list(loader)) == 2
