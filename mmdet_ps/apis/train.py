"""Training from a config."""

import copy
import logging
import time
from pathlib import Path
from typing import Any

import torch
from mmcv import Config
from mmcv.runner import DistSamplerSeedHook, build_runner, get_dist_info
from mmdet.apis import set_random_seed
from mmdet.datasets import build_dataset
from mmdet.models import build_detector
from mmdet.utils import collect_env, get_device, get_root_logger, setup_multi_processes
from torch import nn

from mmdet_ps import __version__
from mmdet_ps.core.config_check import check_config
from mmdet_ps.core.hooks import SafeEvalHook
from mmdet_ps.core.optimizers import build_optimizer
from mmdet_ps.core.parallel import init_processes, wrap_model
from mmdet_ps.core.precision import train_in_bfloat16
from mmdet_ps.core.preparation import (
    choose_checkpoint,
    choose_precision,
    choose_seed,
    named_full_disk,
    optimizer_hook,
    scale_learning_rate,
)
from mmdet_ps.datasets.loader import build_dataloader, loader_options
from mmdet_ps.models.losses import OIMLoss
from mmdet_ps.utils.io import atomic_write
from mmdet_ps.utils.logs import without_info

from .test import build_test_set


def check_num_pids(model: nn.Module, dataset: Any) -> None:
    """Compare the identities of a dataset with the lookup tables of a model.

    Raises:
        ValueError: A table with fewer rows than the dataset has identities, or nobody to learn.
    """
    needed = dataset.num_pids
    for name, module in model.named_modules():
        if not isinstance(module, OIMLoss):
            continue
        if needed == 0:
            raise ValueError(
                f'{dataset.ann_file}: nobody has an identity, and model.{name} learns them: '
                'give people a person_id of 0 or more'
            )
        if module.num_pids < needed:
            raise ValueError(
                f'{dataset.ann_file} has {needed} identities, but the lookup table of '
                f'model.{name} has num_pids={module.num_pids} rows: set '
                f'model.{name}.num_pids={needed} in the config'
            )


def _validation_set(cfg: Config) -> Any:
    """Build what is searched during training, and read its protocols before hours of training."""
    evaluation = cfg.get('evaluation') or {}
    given = evaluation.get('query_feature') == 'gt_box'
    dataset = build_test_set(cfg, query_boxes=given, part='val')
    if hasattr(dataset, 'load_protocols'):
        dataset.load_protocols(evaluation.get('gallery_sizes'))
    return dataset


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
        launcher: See `mmdet_ps.core.parallel.init_processes`.
        seed: Of all random numbers; where None, that of the resumed run, or drawn.
        deterministic: Whether CUDA kernels must repeat themselves exactly.
        validate: Whether to search the test set at the intervals of ``cfg.evaluation``.
        name: File name under which the config is kept in the work directory.
        trust: Whether checkpoints are read by the loader that runs code which they bring.

    Returns:
        The trained model.

    Raises:
        mmdet_ps.core.runner.TrainingStopped: After a SIGTERM; the run is saved as far as it came.
        KeyError: The config has a key that nothing reads.
        ValueError: A value of the config is not sane; the data does not fit the model, see
            `check_num_pids`; or the loss was not finite too often, see
            `mmdet_ps.core.runner.ResumableRunner`.
        FileNotFoundError: A dataset, picture or checkpoint is missing.
        OSError: The disk is full, or a data loader's worker died.
    """
    # Options, data and model come before the work directory: bad input leaves nothing behind.
    check_config(cfg)
    cfg = copy.deepcopy(cfg)  # mmcv takes out of it what it has read.
    choose_precision(cfg)
    setup_multi_processes(cfg)
    torch.backends.cudnn.benchmark = cfg.get('cudnn_benchmark', False)
    distributed = init_processes(launcher, cfg)
    cfg.device = get_device()
    choose_checkpoint(cfg, trust)
    train_set = build_dataset(cfg.data.train)
    val_set = _validation_set(cfg) if validate else None
    cfg.seed = choose_seed(cfg, seed)
    set_random_seed(cfg.seed, deterministic=deterministic)
    if deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    model = build_detector(cfg.model)
    check_num_pids(model, train_set)
    with without_info():
        model.init_weights()
    model.CLASSES = train_set.CLASSES
    if cfg.get('bf16'):
        train_in_bfloat16(model)

    work_dir = Path(cfg.work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    # A full disk is told once, by the checkpoint, and not by every line of the log.
    logging.raiseExceptions = False
    timestamp = time.strftime('%Y%m%d_%H%M%S', time.localtime())
    logger = get_root_logger(str(work_dir / f'{timestamp}.log'), cfg.log_level)
    rank, world_size = get_dist_info()
    text = cfg.pretty_text
    if rank == 0:
        with atomic_write(work_dir / name, 'w') as stream:
            stream.write(text)
    environment = '\n'.join(f'{key}: {value}' for key, value in collect_env().items())
    logger.info(f'Environment:\n{environment}\n\nConfig:\n{text}')
    logger.info(f'Processes: {world_size}, seed: {cfg.seed}, deterministic: {deterministic}')

    options = loader_options(cfg.data, 'train')
    loader = build_dataloader(
        train_set, seed=cfg.seed, runner_type=cfg.runner.type, dist=distributed, **options
    )
    model = wrap_model(model, distributed, cfg.get('find_unused_parameters', False))
    scale_learning_rate(cfg, options['samples_per_gpu'], logger)
    meta = dict(
        env_info=environment,
        config=text,
        seed=cfg.seed,
        exp_name=str(name),
        mmdet_ps_version=__version__,
    )
    runner_cfg = dict(cfg.runner, work_dir=str(work_dir), logger=logger, meta=meta)
    if trust and cfg.runner.type == 'ResumableRunner':
        runner_cfg['trust'] = True
    runner = build_runner(
        runner_cfg, dict(model=model, optimizer=build_optimizer(model, cfg.optimizer))
    )
    runner.timestamp = timestamp  # Of the log's name.
    runner.register_training_hooks(
        cfg.lr_config,
        optimizer_hook(cfg, distributed),
        cfg.checkpoint_config,
        cfg.log_config,
        cfg.get('momentum_config'),
        custom_hooks_config=cfg.get('custom_hooks'),
    )
    if distributed:
        runner.register_hook(DistSamplerSeedHook())
    if val_set is not None:
        val_loader = build_dataloader(
            val_set, dist=distributed, shuffle=False, **loader_options(cfg.data, 'val')
        )
        by_epoch = cfg.runner.type != 'IterBasedRunner'
        evaluation = dict(cfg.get('evaluation', {}), by_epoch=by_epoch)
        runner.register_hook(SafeEvalHook(val_loader, **evaluation), priority='LOW')
    with named_full_disk(work_dir):
        if cfg.get('resume_from'):
            runner.resume(cfg.resume_from)
        elif cfg.get('load_from'):
            runner.load_checkpoint(cfg.load_from)
        runner.run([loader], cfg.workflow)
    return model.module
