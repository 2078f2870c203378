"""Who appears in which scene: identities, their split, and the scenes' cast."""

from dataclasses import dataclass

import numpy as np

from .camera import NUM_CAMERAS
from .wardrobe import Identity, draw_identities

STRANGERS = 0.3
MIN_SCENES = 3
_CROWD = (3, 4, 5, 6)
_CROWD_SHARES = (0.25, 0.35, 0.25, 0.15)
_LAYOUTS = ('cuhk_sysu', 'prw')
_SMALLEST_TEST = 51


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Attributes:
        layout: official release to imitate, 'cuhk_sysu' or 'prw'.
        train_images, test_images: numbers of scenes.
        identities: people with an identity, train and test together.
        width, height: of a picture, pixels.
        seed: everything follows from it.
    """

    layout: str
    train_images: int
    test_images: int
    identities: int
    width: int
    height: int
    seed: int

    def __post_init__(self):
        if self.layout not in _LAYOUTS:
            raise ValueError(f'layout {self.layout!r}: must be one of {", ".join(_LAYOUTS)}')
        if self.train_images < 4:
            raise ValueError(f'--train-images {self.train_images}: at least 4 are needed')
        if self.test_images < _SMALLEST_TEST:
            raise ValueError(
                f'--test-images {self.test_images}: at least {_SMALLEST_TEST} are needed, '
                'a query and its gallery of 50'
            )
        if self.seed < 0:
            raise ValueError(f'--seed {self.seed}: must not be negative')
        small, large = (160, 96), (4096, 4096)
        if not (small[0] <= self.width <= large[0] and small[1] <= self.height <= large[1]):
            raise ValueError(
                f'--size {self.width}x{self.height}: must lie between {small[0]}x{small[1]} and '
                f'{large[0]}x{large[1]}'
            )
        if not 0.75 <= self.width / self.height <= 4:
            raise ValueError(
                f'--size {self.width}x{self.height}: width must be 0.75 to 4 times the height'
            )
        train, test = self.split_identities()
        for name, images, people in (
            ('train', self.train_images, train),
            ('test', self.test_images, test),
        ):
            most = most_identities(images)
            if not 6 <= people <= most:
                raise ValueError(
                    f'--identities {self.identities}: gives {people} to the {images} {name} '
                    f'images, which hold 6 to {most}; change --identities or --{name}-images'
                )

    def split_identities(self) -> tuple[int, int]:
        """Numbers of train and test identities, in proportion to the pictures."""
        total = self.train_images + self.test_images
        train = round(self.identities * self.train_images / total)
        return train, self.identities - train


def most_identities(images: int) -> int:
    """Most identities that can appear in at least ``MIN_SCENES`` scenes each."""
    return int(0.8 * images * _CROWD[0] * (1 - STRANGERS)) // MIN_SCENES


@dataclass(frozen=True)
class ScenePlan:
    """One scene before it is drawn.

    Attributes:
        index: place in the data set, train scenes first.
        split: 'train' or 'test'.
        camera: 0 to 5.
        cast: identity of each person, -1 for a stranger.
    """

    index: int
    split: str
    camera: int
    cast: tuple[int, ...]


def _deal(rng: np.random.Generator, sizes: np.ndarray, pids: np.ndarray) -> list[tuple[int, ...]]:
    """Identities for scenes of given sizes: all about equally often, nobody twice in a scene."""
    deck: list[int] = []
    casts = []
    for size in sizes:
        cast: list[int] = []
        while len(cast) < size:
            fitting = [k for k, pid in enumerate(deck) if pid not in cast]
            if not fitting:
                deck += [int(pid) for pid in rng.permutation(pids)]
                continue
            cast.append(deck.pop(fitting[0]))
        casts.append(tuple(cast))
    return casts


def plan_scenes(settings: Settings) -> tuple[list[Identity], list[ScenePlan]]:
    """Identities (train first, then test) and scenes of a data set."""
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(1,)))
    identities: list[Identity] = []
    plans: list[ScenePlan] = []
    counts = settings.split_identities()
    for split, images, people in zip(
        ('train', 'test'), (settings.train_images, settings.test_images), counts, strict=True
    ):
        pids = np.arange(len(identities), len(identities) + people)
        identities += draw_identities(rng, people)
        crowd = rng.choice(_CROWD, images, p=_CROWD_SHARES)
        strangers = np.minimum(rng.binomial(crowd, STRANGERS), crowd - 1)
        cameras = rng.permutation(np.arange(images) % NUM_CAMERAS)
        for cast, alone, camera in zip(
            _deal(rng, crowd - strangers, pids), strangers, cameras, strict=True
        ):
            plans.append(ScenePlan(len(plans), split, int(camera), cast + (-1,) * int(alone)))
    return identities, plans


__all__ = ['MIN_SCENES', 'STRANGERS', 'ScenePlan', 'Settings', 'most_identities', 'plan_scenes']
