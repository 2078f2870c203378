"""Training from a config, and what must hold before it begins."""

import logging
import os
import time
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
from mmdet_ps.core.parallel import wrap_model
from mmdet_ps.models.losses import OIMLoss


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
    return True


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


def train(
    cfg: Config,
    launcher: str = 'none',
    seed: int | None = None,
    deterministic: bool = False,
    validate: bool = True,
    name: str = 'config.py',
) -> nn.Module:
    """Train the model of a config.

    Args:
        cfg: Complete config with ``work_dir``; ``resume_from``, ``load_from`` and ``auto_resume``
            as in mmdet.
        launcher: See `init_processes`.
        seed: Of all random numbers; drawn where None.
        deterministic: Whether CUDA kernels must repeat themselves exactly.
        validate: Whether to search the test set at the intervals of ``cfg.evaluation``.
        name: File name under which the config is kept in the work directory.

    Returns:
        The trained model.

    Raises:
        ValueError: The data does not fit the model; see `check_num_pids`.
        FileNotFoundError: A dataset, picture or pretrained file is missing.
    """
    setup_multi_processes(cfg)
    torch.backends.cudnn.benchmark = cfg.get('cudnn_benchmark', False)
    distributed = init_processes(launcher, cfg)
    rank, world_size = get_dist_info()
    cfg.gpu_ids = range(world_size) if distributed else [0]
    cfg.device = get_device()
    # The data and the model come before the work directory: bad input leaves nothing behind.
    dataset = build_dataset(cfg.data.train)
    cfg.seed = init_random_seed(seed, device=cfg.device)
    set_random_seed(cfg.seed, deterministic=deterministic)
    if deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    model = build_detector(cfg.model)
    check_num_pids(model, dataset)
    logging.disable(logging.INFO)  # mmcv would print a paragraph a parameter.
    model.init_weights()
    logging.disable(logging.NOTSET)
    model.CLASSES = dataset.CLASSES

    work_dir = Path(cfg.work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    timestamp = time.strftime('%Y%m%d_%H%M%S', time.localtime())
    logger = get_root_logger(str(work_dir / f'{timestamp}.log'), cfg.log_level)
    if rank == 0:
        cfg.dump(str(work_dir / name))
    environment = '\n'.join(f'{key}: {value}' for key, value in collect_env().items())
    logger.info(f'Environment:\n{environment}\n\nConfig:\n{cfg.pretty_text}')
    logger.info(f'Processes: {world_size}, seed: {cfg.seed}, deterministic: {deterministic}')
    if cfg.checkpoint_config is not None:
        cfg.checkpoint_config.meta = dict(mmdet_ps_version=__version__, CLASSES=dataset.CLASSES)

    # `train_detector` takes no wrapper; mmdet's own wrap for CUDA only and break on PyTorch 2.
    mmdet_train.build_dp = lambda model, *args, **kwargs: wrap_model(model)
    mmdet_train.build_ddp = lambda model, *args, **kwargs: wrap_model(
        model, True, kwargs['find_unused_parameters']
    )
    train_detector(
        model,
        dataset,
        cfg,
        distributed=distributed,
        validate=validate,
        timestamp=timestamp,
        meta=dict(
            env_info=environment, config=cfg.pretty_text, seed=int(cfg.seed), exp_name=str(name)
        ),
    )
    return model
