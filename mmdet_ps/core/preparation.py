"""What a training run settles before it begins: precision, checkpoint, learning rate, seed."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmcv import Config
from mmcv.runner import Fp16OptimizerHook, get_dist_info
from mmdet.apis import init_random_seed

from .checkpoints import newest_checkpoint, read_meta, remove_leftovers


def choose_precision(cfg: Config) -> None:
    """Check ``fp16`` and ``bf16`` of a config.

    Raises:
        ValueError: Both at once, or fp16 without a GPU.
    """
    if cfg.get('fp16') is None:
        return
    if cfg.get('bf16'):
        raise ValueError('fp16 and bf16 are both set in the config: choose one')
    if not torch.cuda.is_available():
        raise ValueError('fp16 needs a GPU; bf16=True runs on the CPU as well')


def optimizer_hook(cfg: Config, distributed: bool) -> Any:
    """Give what mmcv registers as the optimizer's hook: a hook, or the config of one."""
    fp16, config = cfg.get('fp16'), cfg.optimizer_config
    if fp16 is None:
        return config
    if config.get('type') == 'GradientCumulativeOptimizerHook':
        return dict(config, **fp16, type='GradientCumulativeFp16OptimizerHook')
    return Fp16OptimizerHook(**config, **fp16, distributed=distributed)


def choose_checkpoint(cfg: Config, trust: bool = False) -> None:
    """Put the newest whole checkpoint of the work directory into ``resume_from`` on auto-resume.

    The first process looks and tells the others.

    Raises:
        FileNotFoundError: ``resume_from`` or ``load_from`` names no file.
        ValueError: A runner of mmcv, which runs code from checkpoints, without ``trust``.
    """
    named = cfg.get('resume_from') or cfg.get('load_from')
    if named and not trust and cfg.runner.type != 'ResumableRunner':
        raise ValueError(
            f'runner.type={cfg.runner.type} runs the config that a checkpoint holds when it '
            'resumes: set runner.type=ResumableRunner, or give --trust for checkpoints of your own'
        )
    for key in ('resume_from', 'load_from'):
        if cfg.get(key) and not Path(cfg[key]).is_file():
            raise FileNotFoundError(f'{key}={cfg[key]}: no such checkpoint file on this machine')
    if not cfg.get('auto_resume') or cfg.get('resume_from'):
        return
    rank, world_size = get_dist_info()
    found: list[str | None] = [None]
    if rank == 0:
        remove_leftovers(cfg.work_dir)
        newest = newest_checkpoint(cfg.work_dir)
        found = [str(newest) if newest else None]
    if world_size > 1:
        dist.broadcast_object_list(found)
    cfg.resume_from = found[0]


def choose_seed(cfg: Config, seed: int | None) -> int:
    """Take the given seed, else that of the run which is resumed, else a new one."""
    if seed is None and cfg.get('resume_from'):
        try:
            seed = read_meta(Path(cfg.resume_from)).get('seed')
        except ValueError:
            pass  # `resume` reads the file again and says what is wrong with it.
    return int(init_random_seed(seed, device=cfg.device))


def scale_learning_rate(cfg: Config, samples_per_gpu: int, logger: Any) -> None:
    """Scale ``optimizer.lr`` with the batch of all processes where ``auto_scale_lr`` asks for it.

    Args:
        cfg: Config with ``optimizer``; ``auto_scale_lr.base_batch_size`` is the batch that the rate
            belongs to.
        samples_per_gpu: Batch of a process.
        logger: Is told.

    Raises:
        ValueError: The config does not say what batch the rate belongs to.
    """
    scaling = cfg.get('auto_scale_lr') or {}
    if not scaling.get('enable'):
        return
    if not scaling.get('base_batch_size'):
        raise ValueError(
            'the learning rate cannot be scaled: set auto_scale_lr.base_batch_size to the batch '
            'that optimizer.lr belongs to'
        )
    batch, before = samples_per_gpu * get_dist_info()[1], cfg.optimizer.lr
    cfg.optimizer.lr = before * batch / scaling['base_batch_size']
    logger.info(f'Learning rate {before} is scaled to {cfg.optimizer.lr} for a batch of {batch}')


@contextmanager
def named_full_disk(work_dir: Path) -> Iterator[None]:
    """Say what a full disk means for the run."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            f'{work_dir}: {error.strerror}; free space there and start again with --auto-resume, '
            'the checkpoints that are there are whole'
        ) from None
