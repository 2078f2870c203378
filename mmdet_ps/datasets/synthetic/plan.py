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
_FEWEST_PEOPLE = 6
_SMALLEST_TEST = 51
_SMALLEST, _LARGEST = (160, 96), (4096, 4096)


def most_identities(images: int) -> int:
    """Most identities that can appear in at least ``MIN_SCENES`` scenes each."""
    return int(0.8 * images * _CROWD[0] * (1 - STRANGERS)) // MIN_SCENES


_SMALLEST_TRAIN = next(images for images in range(100) if most_identities(images) >= _FEWEST_PEOPLE)


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Attributes:
        layout: official release to imitate, 'cuhk_sysu' or 'prw'.
        train_images, test_images: numbers of scenes.
        identities: people with an identity, train and test together.
        width, height: of a picture, pixels.
        seed: everything follows from it.

    Raises:
        ValueError: with everything that cannot be met, and what would do.
    """

    layout: str
    train_images: int
    test_images: int
    identities: int
    width: int
    height: int
    seed: int

    def __post_init__(self):
        wrong = []
        if self.layout not in _LAYOUTS:
            wrong.append(f'layout {self.layout!r}: must be one of {", ".join(_LAYOUTS)}')
        if self.train_images < _SMALLEST_TRAIN:
            wrong.append(
                f'--train-images {self.train_images}: at least {_SMALLEST_TRAIN} are needed, '
                f'which hold {_FEWEST_PEOPLE} identities'
            )
        if self.test_images < _SMALLEST_TEST:
            wrong.append(
                f'--test-images {self.test_images}: at least {_SMALLEST_TEST} are needed, '
                'a query and its gallery of 50'
            )
        if self.seed < 0:
            wrong.append(f'--seed {self.seed}: must not be negative')
        size = f'--size {self.width}x{self.height}'
        if not all(
            low <= side <= high
            for low, side, high in zip(_SMALLEST, (self.width, self.height), _LARGEST, strict=True)
        ):
            wrong.append(
                f'{size}: must lie between {_SMALLEST[0]}x{_SMALLEST[1]} and '
                f'{_LARGEST[0]}x{_LARGEST[1]}'
            )
        elif not 0.75 <= self.width / self.height <= 4:
            wrong.append(f'{size}: width must be 0.75 to 4 times the height')
        # What the numbers of images allow, each at least the smallest.
        images = max(self.train_images, _SMALLEST_TRAIN), max(self.test_images, _SMALLEST_TEST)
        fitting = [
            people for people in range(sum(images)) if _holds(images, _shares(images, people))
        ]
        if self.identities not in fitting:
            allowed = f'{fitting[0]} to {fitting[-1]} fit' if fitting else 'no number fits'
            wrong.append(
                f'--identities {self.identities}: {allowed} into {images[0]} training and '
                f'{images[1]} test images'
            )
        if wrong:
            raise ValueError('; '.join(wrong))

    def split_identities(self) -> tuple[int, int]:
        """Numbers of train and test identities, in proportion to the pictures."""
        return _shares((self.train_images, self.test_images), self.identities)


def _shares(images: tuple[int, int], people: int) -> tuple[int, int]:
    train = round(people * images[0] / sum(images))
    return train, people - train


def _holds(images: tuple[int, int], people: tuple[int, int]) -> bool:
    """Whether the training and the test images hold so many identities each."""
    return all(
        _FEWEST_PEOPLE <= share <= most_identities(count)
        for count, share in zip(images, people, strict=True)
    )


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
