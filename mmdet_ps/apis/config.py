"""Config files, whose keys and overrides are checked instead of silently taking no effect."""

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mmcv import Config, DictAction
from mmdet.utils import replace_cfg_vals, update_data_root

from mmdet_ps import datasets, models  # noqa: F401  registers what configs name
from mmdet_ps.core import hooks  # noqa: F401
from mmdet_ps.core.config_check import check_config, check_option


def load_config(path: str | Path, options: dict[str, Any] | Sequence[str] | None = None) -> Config:
    """Read a config file and apply ``--cfg-options``.

    Args:
        path: Config file. It is Python code and is run: take it from people you trust.
        options: Dotted keys and values, or texts ``KEY=VALUE``.

    Returns:
        The config with ``${...}`` references and data roots resolved.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A file that is no config, or a value in it that is not sane.
        KeyError: A key of the file or of ``options`` that nothing reads; near names are listed.
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
    given = _read_options(options) if options else {}
    for key, value in given.items():
        _named(check_option, path, given, key, value, cfg)
    try:
        cfg.merge_from_dict(given)
    except (KeyError, TypeError, AttributeError) as error:
        raise KeyError(f'--cfg-options: {error.args[0] if error.args else error}') from error
    _named(check_config, path, given, cfg)
    return cfg


def _named(check: Callable, path: str | Path, given: Iterable[str], *arguments: Any) -> None:
    """Put in front of a fault where it stands: the override that brought it, or the file."""
    try:
        check(*arguments)
    except (KeyError, ValueError) as error:
        place = re.split('[:=]', error.args[0])[0] + '.'
        about = [key for key in given if place.startswith(f'{key}.') or f'{key}.'.startswith(place)]
        where = f'--cfg-options {about[0]}' if about else path
        raise type(error)(f'{where}: {error.args[0]}') from None


def _read_options(options: dict[str, Any] | Sequence[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` texts as all OpenMMLab tools do."""
    if isinstance(options, dict):
        return options
    space = argparse.Namespace()
    try:
        DictAction((), 'options')(argparse.ArgumentParser(), space, options)
    except AssertionError as error:
        raise ValueError(f'--cfg-options: {error}') from None
    return space.options
