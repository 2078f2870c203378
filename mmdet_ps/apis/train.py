"""Training from a config, and what must hold before it begins."""

import atexit
import errno
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mmdet.apis.train as mmdet_train
import torch
import torch.distributed as dist
from mmcv import Config
from mmcv.runner import get_dist_info, init_dist
from mmdet.apis import init_random_seed, set_random_seed, train_detector
from mmdet.datasets import build_dataset
from mmdet.models import build_detector
from mmdet.utils import collect_env, get_device, get_root_logger, setup_multi_processes
from torch import nn

from mmdet_ps import __version__
from mmdet_ps.core.checkpoints import newest_checkpoint, read_meta, remove_leftovers
from mmdet_ps.core.hooks import SafeDistEvalHook, SafeEvalHook
from mmdet_ps.core.parallel import wrap_model
from mmdet_ps.core.precision import train_in_bfloat16
from mmdet_ps.core.runner import TrainingStopped
from mmdet_ps.datasets.loader import build_dataloader
from mmdet_ps.datasets.pipelines import use_given_boxes
from mmdet_ps.models.losses import OIMLoss
from mmdet_ps.utils.io import atomic_write
from mmdet_ps.utils.logs import without_info


def init_processes(launcher: str, cfg: Config) -> bool:
    """Join the other processes of a run.

    Args:
        launcher: ``'none'``, ``'pytorch'`` (torchrun), ``'slurm'`` or ``'mpi'``.
        cfg: Config with ``dist_params``; without CUDA the backend is gloo.

    Returns:
        Whether there is a process group.

    Raises:
        ValueError: A launcher's variables are missing, or it needs GPUs that are not there.
    """
    if launcher == 'none':
        return False
    if launcher == 'pytorch' and 'RANK' not in os.environ:
        raise ValueError(
            '--launcher pytorch without torchrun: start with tools/dist_train.sh CONFIG GPUS'
        )
    if torch.cuda.is_available():
        init_dist(launcher, **cfg.dist_params)
    elif launcher == 'pytorch':
        dist.init_process_group('gloo')
    else:
        raise ValueError(f'--launcher {launcher} needs GPUs; on CPUs use tools/dist_train.sh')
    # A process that ends with the group's threads still running can be aborted at its exit.
    atexit.register(_leave_processes)
    return True


def _leave_processes() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def check_num_pids(model: nn.Module, dataset: Any) -> None:
    """Compare the identities of a dataset with the lookup tables of a model.

    Raises:
        ValueError: A table with fewer rows than the dataset has identities.
    """
    needed = dataset.num_pids
    for name, module in model.named_modules():
        if isinstance(module, OIMLoss) and module.num_pids < needed:
            raise ValueError(
                f'{dataset.ann_file} has person_id up to {needed - 1}, but the lookup table of '
                f'model.{name} has num_pids={module.num_pids} rows: set '
                f'model.{name}.num_pids={needed} in the config'
            )


def choose_precision(cfg: Config) -> None:
    """Bring ``fp16`` and ``bf16`` of a config into the form that mmdet reads.

    Raises:
        ValueError: Both at once, or fp16 without a GPU.
    """
    if cfg.get('fp16') is None:
        return
    if cfg.get('bf16'):
        raise ValueError('fp16 and bf16 are both set in the config: choose one')
    if not torch.cuda.is_available():
        raise ValueError('fp16 needs a GPU; bf16=True runs on the CPU as well')
    if cfg.optimizer_config.get('type') == 'GradientCumulativeOptimizerHook':
        # mmdet would give fp16 a hook that accumulates nothing.
        cfg.optimizer_config.update(cfg.fp16, type='GradientCumulativeFp16OptimizerHook')
        cfg.fp16 = None


def choose_checkpoint(cfg: Config, rank: int = 0, trust: bool = False) -> None:
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
    found = [None]
    if rank == 0:
        remove_leftovers(cfg.work_dir)
        newest = newest_checkpoint(cfg.work_dir)
        found = [newest and str(newest)]
    if get_dist_info()[1] > 1:
        dist.broadcast_object_list(found)
    cfg.resume_from = found[0]
    cfg.auto_resume = False


def choose_seed(cfg: Config, seed: int | None) -> int:
    """Take the given seed, else that of the run which is resumed, else a new one."""
    if seed is None and cfg.get('resume_from'):
        try:
            seed = read_meta(Path(cfg.resume_from)).get('seed')
        except ValueError:
            pass  # `resume` reads the file again and says what is wrong with it.
    return init_random_seed(seed, device=cfg.device)


@contextmanager
def _replaced(module: Any, **parts: Any) -> Iterator[None]:
    """Give a module other parts for a while; ``train_detector`` takes none as arguments."""
    before = {name: getattr(module, name) for name in parts}
    vars(module).update(parts)
    try:
        yield
    finally:
        vars(module).update(before)


@contextmanager
def _named_full_disk(work_dir: Path) -> Iterator[None]:
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


def train(
    cfg: Config,
    launcher: str = 'none',
    seed: int | None = None,
    deterministic: bool = False,
    validate: bool = True,
    name: str = 'config.py',
    trust: bool = False,
) -> nn.Module:
    """Train the model of a config.

    Args:
        cfg: Complete config with ``work_dir``; ``resume_from``, ``load_from`` and ``auto_resume``
            as in mmdet. With ``bf16=True`` convolutions run in bfloat16.
        launcher: See `init_processes`.
        seed: Of all random numbers; where None, that of the resumed run, or drawn.
        deterministic: Whether CUDA kernels must repeat themselves exactly.
        validate: Whether to search the test set at the intervals of ``cfg.evaluation``.
        name: File name under which the config is kept in the work directory.
        trust: Whether checkpoints are read by the loader that runs code which they bring.

    Returns:
        The trained model; after a SIGTERM the model as far as it came, which is saved.

    Raises:
        ValueError: The data does not fit the model, see `check_num_pids`; or the loss was not
            finite too often, see `mmdet_ps.core.runner.ResumableRunner`.
        FileNotFoundError: A dataset, picture or checkpoint is missing.
        OSError: The disk is full, or a data loader's worker died.
    """
    choose_precision(cfg)
    setup_multi_processes(cfg)
    torch.backends.cudnn.benchmark = cfg.get('cudnn_benchmark', False)
    distributed = init_processes(launcher, cfg)
    rank, world_size = get_dist_info()
    cfg.gpu_ids = range(world_size) if distributed else [0]
    cfg.device = get_device()
    choose_checkpoint(cfg, rank, trust)
    if cfg.get('evaluation', {}).get('query_feature') == 'gt_box':
        cfg.data.val = use_given_boxes(cfg.data.val, 'query')
    # The data and the model come before the work directory: bad input leaves nothing behind.
    dataset = build_dataset(cfg.data.train)
    cfg.seed = choose_seed(cfg, seed)
    set_random_seed(cfg.seed, deterministic=deterministic)
    if deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    model = build_detector(cfg.model)
    check_num_pids(model, dataset)
    with without_info():
        model.init_weights()
    model.CLASSES = dataset.CLASSES

    work_dir = Path(cfg.work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    # A full disk is told once, by the checkpoint, and not by every line of the log.
    logging.raiseExceptions = False
    timestamp = time.strftime('%Y%m%d_%H%M%S', time.localtime())
    logger = get_root_logger(str(work_dir / f'{timestamp}.log'), cfg.log_level)
    text = cfg.pretty_text
    if rank == 0:
        with atomic_write(work_dir / name, 'w') as stream:
            stream.write(text)
    environment = '\n'.join(f'{key}: {value}' for key, value in collect_env().items())
    logger.info(f'Environment:\n{environment}\n\nConfig:\n{text}')
    logger.info(f'Processes: {world_size}, seed: {cfg.seed}, deterministic: {deterministic}')
    if trust and cfg.runner.type == 'ResumableRunner':
        cfg.runner.trust = True
    if cfg.get('bf16'):
        train_in_bfloat16(model)
    # mmdet's wrappers are for CUDA only and break on PyTorch 2; its loader cannot be resumed.
    own = dict(
        build_dataloader=build_dataloader,
        EvalHook=SafeEvalHook,
        DistEvalHook=SafeDistEvalHook,
        build_dp=lambda model, *args, **kwargs: wrap_model(model),
        build_ddp=lambda model, *args, **kwargs: wrap_model(
            model, True, kwargs['find_unused_parameters']
        ),
    )
    meta = dict(
        env_info=environment,
        config=text,
        seed=int(cfg.seed),
        exp_name=str(name),
        mmdet_ps_version=__version__,
    )
    try:
        with _replaced(mmdet_train, **own), _named_full_disk(work_dir):
            train_detector(
                model,
                dataset,
                cfg,
                distributed=distributed,
                validate=validate,
                timestamp=timestamp,
                meta=meta,
            )
    except TrainingStopped as stopped:
        logger.info(str(stopped))
    return model
