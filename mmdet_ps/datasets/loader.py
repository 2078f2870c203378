"""Loading of training data that can go on from any batch of any epoch.

Shapes: B batches an epoch, S samples a process and batch, W processes.
"""

import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import mmdet.datasets
import numpy as np
from mmcv.parallel import collate
from mmcv.runner import get_dist_info
from torch.utils.data import DataLoader, Dataset, Sampler

from ..core.randomness import ORDER, SAMPLE, seed_generators, seed_sequence

# Index of a picture in the dataset, epoch, place of the sample in the epoch over all processes.
Draw = tuple[int, int, int]


class EpochSampler(Sampler[Draw]):
    """Each epoch's order of pictures, a function of seed and epoch alone.

    A batch over all processes holds pictures of one shape group (``dataset.flag``). It is the same
    for any split of its W * S samples over processes: process r takes the r-th S of them. A group
    that does not fill its last batch repeats pictures from its beginning.

    Args:
        dataset: With ``flag`` (n,), the shape group of each picture.
        samples_per_gpu: S.
        seed: Of the run.
        rank: This process.
        world_size: W.
    """

    def __init__(
        self, dataset: Any, samples_per_gpu: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        flag = np.asarray(dataset.flag)
        self.groups = [np.flatnonzero(flag == group) for group in np.unique(flag)]
        self.samples_per_gpu = samples_per_gpu
        self.seed = seed
        self.rank = rank
        self.batch_size = samples_per_gpu * world_size
        self.num_batches = sum(-(-len(group) // self.batch_size) for group in self.groups)
        self.epoch = 0
        self.first_batch = 0

    def start_at(self, epoch: int, batch: int) -> None:
        """Let the next pass be that of ``epoch``, without its first ``batch`` batches."""
        self.epoch, self.first_batch = epoch, batch

    def order(self, epoch: int) -> np.ndarray:
        """Give the pictures of an epoch, (B, W * S) indices."""
        generator = np.random.default_rng(seed_sequence(self.seed, ORDER, epoch))
        batches = []
        for group in self.groups:
            count = -(-len(group) // self.batch_size)
            shuffled = np.resize(generator.permutation(group), count * self.batch_size)
            batches.append(shuffled.reshape(count, self.batch_size))
        return generator.permutation(np.concatenate(batches))

    def __iter__(self) -> Iterator[Draw]:
        order, epoch = self.order(self.epoch), self.epoch
        start = self.rank * self.samples_per_gpu
        for batch in range(self.first_batch, self.num_batches):
            for place in range(start, start + self.samples_per_gpu):
                yield int(order[batch, place]), epoch, batch * self.batch_size + place

    def __len__(self) -> int:
        """Count the samples of this process in a whole epoch."""
        return self.num_batches * self.samples_per_gpu


class SeededSamples(Dataset):
    """A dataset whose samples are augmented by random numbers of their own place in the run.

    Which worker process loads a sample, and what that worker loaded before, makes no difference.

    Args:
        dataset: Whose other attributes show through.
        seed: Of the run.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        index, epoch, place = draw
        seed_generators(self.seed, SAMPLE, epoch, place)
        return self.dataset[index]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.dataset, name)


def _start_worker(worker: int) -> None:
    # A batch system sends its SIGTERM to every process; the workers live on until the training
    # process, which finishes its step first, lets them go.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def loader_options(data: dict[str, Any], part: str) -> dict[str, Any]:
    """Take a loader's options from a config.

    Args:
        data: The config's section.
        part: ``train``, ``val`` or ``test``. ``data.{part}_dataloader`` wins over ``data`` itself,
            whose batch and long-lived workers are those of the training.
    """
    shared = ['workers_per_gpu']
    if part == 'train':
        shared += ['samples_per_gpu', 'persistent_workers']
    return {
        **dict(samples_per_gpu=2 if part == 'train' else 1, workers_per_gpu=2),
        **{key: data[key] for key in shared if key in data},
        **data.get(f'{part}_dataloader', {}),
    }


def build_dataloader(
    dataset: Any,
    samples_per_gpu: int,
    workers_per_gpu: int,
    shuffle: bool = True,
    seed: int | None = None,
    runner_type: str = 'EpochBasedRunner',
    persistent_workers: bool = False,
    class_aware_sampler: dict | None = None,
    **kwargs: Any,
) -> DataLoader:
    """Build mmdet's loader, or for training with ``ResumableRunner`` one that can be resumed.

    Args:
        dataset: mmdet's.
        samples_per_gpu: Batch of a process.
        workers_per_gpu: Worker processes of a process.
        shuffle: Whether this is for training.
        seed: Of the run, the same on every process.
        runner_type: Class name of the runner.
        persistent_workers: Whether workers live longer than an epoch.
        class_aware_sampler: mmdet's other sampler, which cannot be resumed exactly.
        **kwargs: ``dist`` and ``num_gpus`` as in mmdet; others go to ``DataLoader``.
    """
    persistent_workers = persistent_workers and workers_per_gpu > 0
    if not shuffle or runner_type != 'ResumableRunner' or class_aware_sampler or seed is None:
        loader = mmdet.datasets.build_dataloader(
            dataset,
            samples_per_gpu,
            workers_per_gpu,
            shuffle=shuffle,
            seed=seed,
            runner_type=runner_type,
            persistent_workers=persistent_workers,
            class_aware_sampler=class_aware_sampler,
            **kwargs,
        )
        if loader.worker_init_fn is None:
            loader.worker_init_fn = _start_worker
        return loader
    distributed, _ = kwargs.pop('dist', False), kwargs.pop('num_gpus', 1)
    rank, world_size = get_dist_info() if distributed else (0, 1)
    return DataLoader(
        SeededSamples(dataset, seed),
        batch_size=samples_per_gpu,
        sampler=EpochSampler(dataset, samples_per_gpu, seed, rank, world_size),
        num_workers=workers_per_gpu,
        collate_fn=partial(collate, samples_per_gpu=samples_per_gpu),
        worker_init_fn=_start_worker,
        persistent_workers=persistent_workers,
        **kwargs,
    )
