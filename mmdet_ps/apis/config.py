"""Config files, with overrides that are checked instead of silently taking no effect."""

import argparse
import difflib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmcv import Config, DictAction
from mmcv.cnn import INITIALIZERS
from mmcv.runner import HOOKS, OPTIMIZERS, RUNNERS
from mmcv.runner.hooks import CheckpointHook, LrUpdaterHook, OptimizerHook
from mmdet.core import EvalHook
from mmdet.datasets import DATASETS, PIPELINES
from mmdet.models.builder import MODELS
from mmdet.utils import replace_cfg_vals, update_data_root

from mmdet_ps.core.evaluation import SearchOptions
from mmdet_ps.datasets import PersonSearchDataset

# Keys that a config may have and ours leave out.
OPTIONAL_KEYS = {
    '': [
        'fp16',
        'bf16',
        'work_dir',
        'cudnn_benchmark',
        'find_unused_parameters',
        'momentum_config',
    ],
    'data': ['train_dataloader', 'val_dataloader', 'test_dataloader', 'persistent_workers'],
    'optimizer': ['constructor', 'paramwise_cfg'],
    'optimizer.paramwise_cfg': [
        'custom_keys',
        'bias_lr_mult',
        'bias_decay_mult',
        'norm_decay_mult',
        'dwconv_decay_mult',
        'dcn_offset_lr_mult',
        'bypass_duplicate',
    ],
    'log_config': ['interval', 'hooks'],
    'dist_params': ['backend', 'timeout', 'port'],
}
# Its keys are parts of parameters' names, which only the model knows.
CUSTOM_KEYS = 'optimizer.paramwise_cfg.custom_keys'
# What reads a section that names no type of its own.
READERS = {
    'checkpoint_config': [CheckpointHook],
    'evaluation': [EvalHook, PersonSearchDataset.evaluate, SearchOptions],
    'lr_config': [LrUpdaterHook],
    'optimizer_config': [OptimizerHook],
}
REGISTRIES = (MODELS, DATASETS, PIPELINES, HOOKS, RUNNERS, OPTIMIZERS, INITIALIZERS)


def load_config(path: str | Path, options: dict[str, Any] | Sequence[str] | None = None) -> Config:
    """Read a config file and apply ``--cfg-options``.

    Args:
        path: Config file. It is Python code and is run: take it from people you trust.
        options: Dotted keys and values, or texts ``KEY=VALUE``; a key must exist in the config, or
            be an argument of the class that its section configures.

    Returns:
        The config with ``${...}`` references and data roots resolved.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A file that is no config.
        KeyError: An option that nothing would read; near names are listed.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such config file; the ones that exist are in configs/')
    try:
        cfg = Config.fromfile(str(path))
    except (SyntaxError, AttributeError, NameError, ImportError, OSError) as error:
        raise ValueError(f'{path}: not a config file ({error})') from error
    lacking = [section for section in ('model', 'data') if section not in cfg]
    if lacking:
        raise ValueError(f'{path}: not a config of a model, it has no {" and no ".join(lacking)}')
    cfg = replace_cfg_vals(cfg)
    update_data_root(cfg)
    if options and not isinstance(options, dict):
        options = _read_options(options)
    if options:
        merged = Config(cfg._cfg_dict.to_dict())
        try:
            merged.merge_from_dict(options)
        except (KeyError, TypeError) as error:
            raise KeyError(f'--cfg-options: {error.args[0] if error.args else error}') from error
        for key in options:
            _check_option(key, cfg, merged)
        cfg.merge_from_dict(options)
    return cfg


def _read_options(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` texts as all OpenMMLab tools do."""
    space = argparse.Namespace()
    try:
        DictAction((), 'options')(argparse.ArgumentParser(), space, texts)
    except AssertionError as error:
        raise ValueError(f'--cfg-options: {error}') from None
    return space.options


def _check_option(key: str, cfg: Config, merged: Config) -> None:
    """Raise unless each part of a dotted key is known where it stands."""
    known: Any = cfg._cfg_dict
    section: Any = merged._cfg_dict
    path: list[str] = []
    for part in key.split('.'):
        if isinstance(section, list | tuple):
            section = section[int(part)]
            known = known[int(part)] if isinstance(known, list | tuple) else None
            path.append(part)
            continue
        names = list(known) if isinstance(known, dict) else []
        here = '.'.join(path)
        if part not in names and here != CUSTOM_KEYS:
            names += _accepted_names(here, section)
            if part != 'type' and part not in names and (known is not None or path):
                where = f' in {here}' if path else ''
                near = difflib.get_close_matches(part, names, n=5, cutoff=0.5) or sorted(names)[:20]
                raise KeyError(
                    f'--cfg-options {key}: the config has no {part!r}{where}; '
                    f'near names: {", ".join(dict.fromkeys(near))}'
                )
        known = known.get(part) if isinstance(known, dict) else None
        section = section[part]
        path.append(part)
        plain = isinstance(section, dict) and 'type' not in section
        if known is None and plain and path[:2] != ['optimizer', 'paramwise_cfg']:
            return  # A new plain section, fp16=dict(...) say: its reader checks what is inside.


def _accepted_names(path: str, section: Any) -> list[str]:
    """List the arguments that the reader of a config section takes."""
    names = list(OPTIONAL_KEYS.get(path, []))
    if path.startswith(f'{CUSTOM_KEYS}.'):
        names += ['lr_mult', 'decay_mult']
    readers = list(READERS.get(path, []))
    if isinstance(section, dict) and isinstance(section.get('type'), str):
        readers += [r.get(section['type']) for r in REGISTRIES if r.get(section['type'])]
    for reader in readers:
        for source in reader.__mro__ if inspect.isclass(reader) else [reader]:
            call = source.__init__ if inspect.isclass(source) else source
            if call is not object.__init__:
                names += [n for n in inspect.signature(call).parameters if n != 'self']
    return names
