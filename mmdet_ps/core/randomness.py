"""Random numbers that depend on where a training run stands, and on nothing that went before.

Each use of random numbers has its own stream, and each place in a run its own seed within it. So a
resumed run draws what an uninterrupted one would have drawn, without any generator being saved.
"""

import random

import numpy as np
import torch

# Streams: the order of an epoch, the augmentation of a sample, what a training step itself draws.
ORDER, SAMPLE, STEP = range(3)


def seed_sequence(seed: int, stream: int, *place: int) -> np.random.SeedSequence:
    """Give the entropy of one place in a run.

    Args:
        seed: The run's.
        stream: `ORDER`, `SAMPLE` or `STEP`.
        *place: Non-negative numbers, always as many for a stream.
    """
    return np.random.SeedSequence((seed, stream, *place))


def seed_generators(seed: int, stream: int, *place: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch; arguments of `seed_sequence`."""
    first, second, third = seed_sequence(seed, stream, *place).generate_state(3)
    random.seed(int(first))
    np.random.seed(int(second))
    torch.manual_seed(int(third))
