"""Whether something reads each key of a config, so that a misspelt one is not silently ignored.

What a section may hold follows from the class that it configures: the arguments of its ``__init__``
and, where that passes ``**kwargs`` on, of those of its base classes. Sections without a class of
their own are listed here.
"""

import difflib
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import cache
from typing import Any

import torch.distributed as dist
from mmcv import Config
from mmcv.cnn import INITIALIZERS
from mmcv.runner import HOOKS, OPTIMIZER_BUILDERS, OPTIMIZERS, RUNNERS, EpochBasedRunner
from mmcv.runner.hooks import CheckpointHook, Fp16OptimizerHook
from mmdet.core import EvalHook
from mmdet.core.anchor.builder import PRIOR_GENERATORS
from mmdet.core.bbox.builder import BBOX_ASSIGNERS, BBOX_CODERS, BBOX_SAMPLERS
from mmdet.core.bbox.iou_calculators.builder import IOU_CALCULATORS
from mmdet.datasets import DATASETS, PIPELINES, build_dataloader
from mmdet.models.builder import MODELS
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader

from .evaluation import SearchOptions

# Registries, and what their builders take out of a config before the class sees it.
_REGISTRIES: dict[Any, set[str]] = {
    MODELS: set(),
    DATASETS: {'separate_eval'},
    PIPELINES: set(),
    HOOKS: {'priority'},
    RUNNERS: {'constructor'},
    OPTIMIZERS: {'constructor', 'paramwise_cfg'},
    INITIALIZERS: {'name', 'override'},
    BBOX_ASSIGNERS: set(),
    BBOX_CODERS: set(),
    BBOX_SAMPLERS: set(),
    IOU_CALCULATORS: set(),
    PRIOR_GENERATORS: set(),
}
_SPLITS = ('train', 'val', 'test')
# The keys of a config that are read; others are variables of its files.
_REQUIRED = ('model', 'data')
_SECTIONS = {
    *_REQUIRED,
    *('optimizer', 'optimizer_config', 'lr_config', 'momentum_config', 'runner', 'evaluation'),
    *('checkpoint_config', 'log_config', 'dist_params', 'auto_scale_lr', 'custom_imports', 'fp16'),
}
_KEYS = _SECTIONS | {
    *('custom_hooks', 'workflow', 'log_level', 'work_dir', 'load_from', 'resume_from'),
    *('auto_resume', 'bf16', 'cudnn_benchmark', 'find_unused_parameters', 'opencv_num_threads'),
    *('mp_start_method', 'seed', 'device', 'gpu_ids'),
}
# How near the name of a variable may come to one of these keys.
_TOO_NEAR = 0.8
_LOADER_NUMBERS = dict(samples_per_gpu=1, workers_per_gpu=0)
_CUSTOM_KEYS = ('optimizer', 'paramwise_cfg', 'custom_keys')
# In the train_cfg and test_cfg of every detector in mmdet, whether it reads them or not.
_CUSTOMARY = {'allowed_border', 'debug', 'min_bbox_size', 'nms_pre', 'pos_weight'}


def check_config(cfg: Config) -> None:
    """Check that something reads every key of a config, and the options of its evaluation.

    Args:
        cfg: With all modules imported that it names.

    Raises:
        KeyError: With the dotted place of the first key that nothing reads, and near names.
        ValueError: A section that is none, a number of the data loader or an option of the
            evaluation that is not sane.
    """
    content = cfg._cfg_dict
    for key in content:
        near = difflib.get_close_matches(key, _KEYS, cutoff=_TOO_NEAR)
        if key not in _KEYS and near:
            raise KeyError(
                f'{key}: is no key of a config; near names: {", ".join(near)} '
                '(a variable of your own needs another name)'
            )
    for key in _SECTIONS & content.keys():
        if not isinstance(content[key], dict) and (content[key] is not None or key in _REQUIRED):
            raise ValueError(f'{key}={content[key]!r}: has to be a dict')
    for split in _SPLITS:
        given = content['data'].get(split)
        if given is not None and not isinstance(given, dict | list | tuple):
            raise ValueError(f'data.{split}={given!r}: has to be the dict of a dataset')
    _check_loaders(content['data'])
    for key in _KEYS & content.keys():
        _walk((key,), content[key], content)
    try:
        SearchOptions.of_config(content.get('evaluation') or {})
    except ValueError as error:
        raise ValueError(f'evaluation.{error}') from None


def check_option(key: str, value: Any, cfg: Config) -> None:
    """Check that an override reaches something, and puts no plain value in place of a section.

    Args:
        key: Dotted.
        value: That it gets.
        cfg: Before the override.

    Raises:
        KeyError: No key of a config, or a variable of its files; near names are listed.
        ValueError: A whole section would be lost.
    """
    first = key.split('.')[0]
    if first not in _KEYS:
        if first not in cfg:
            raise _unknown((), first, _KEYS)
        raise KeyError(
            f'{first}: is a variable of the config files, which nothing reads once they are '
            'loaded; give the key that it went into, of model or data say'
        )
    before: Any = cfg._cfg_dict
    for part in key.split('.'):
        if isinstance(before, list) and part.isdigit() and int(part) < len(before):
            before = before[int(part)]
        else:
            before = before.get(part) if isinstance(before, dict) else None
    section = before[0] if isinstance(before, list) and before else before
    if isinstance(section, dict) and not isinstance(value, dict | list | None):
        raise ValueError(f'{key}={value!r}: stands for a whole section; set the keys in it')


def _unknown(path: tuple[str, ...], key: str, names: Iterable[str]) -> KeyError:
    near = difflib.get_close_matches(str(key), names, n=5, cutoff=0.5) or sorted(names)[:20]
    where = f' in {".".join(path)}' if path else ''
    place = '.'.join((*path, str(key)))
    return KeyError(f'{place}: nothing reads {key!r}{where}; near names: {", ".join(near)}')


def _check_loaders(data: dict[str, Any]) -> None:
    for part in ('', *(f'{split}_dataloader' for split in _SPLITS)):
        options = data.get(part, {}) if part else data
        for name, least in _LOADER_NUMBERS.items():
            value = options.get(name, least)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                place = '.'.join(filter(None, ('data', part, name)))
                raise ValueError(f'{place}={value!r}: a whole number of at least {least} is needed')


def _walk(path: tuple[str, ...], node: Any, content: dict[str, Any]) -> None:
    if isinstance(node, list | tuple):
        for i, item in enumerate(node):
            _walk((*path, str(i)), item, content)
    elif isinstance(node, dict):
        names = _names_at(path, node, content)
        for key, item in node.items():
            if names is not None and key not in names:
                raise _unknown(path, key, names)
            _walk((*path, key), item, content)


def _names_at(
    path: tuple[str, ...], node: dict[str, Any], content: dict[str, Any]
) -> set[str] | None:
    """Give the keys that are read at a place of a config; None where all may be."""
    if path in _PLAIN:
        return _PLAIN[path](content)
    if path[:-1] == _CUSTOM_KEYS:
        return {'lr_mult', 'decay_mult'}
    kinds = _classes(node.get('type'))
    if kinds:
        taken = {name for registry, kind in kinds for name in _REGISTRIES[registry] | _taken(kind)}
        return taken | {'type'}
    if path[0] == 'model' and 'type' not in node:
        return _CUSTOMARY | _words(content['model'])
    return None


def _classes(kind: Any) -> list[tuple[Any, type]]:
    """Look a ``type`` up in all registries."""
    if not isinstance(kind, str):
        return []
    return [(registry, found) for registry in _REGISTRIES if (found := registry.get(kind))]


def _arguments(call: Callable) -> set[str]:
    parameters = inspect.signature(call).parameters.values()
    return {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)} - {
        'self'
    }


@cache
def _taken(kind: type) -> set[str]:
    """List the arguments of a class, and of its bases as far as they are passed on."""
    names: set[str] = set()
    for base in kind.__mro__:
        if '__init__' not in vars(base) or base is object:
            continue
        start = vars(base)['__init__']
        names |= _arguments(start)
        parameters = inspect.signature(start).parameters.values()
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            break
    return names | (
        _arguments(EpochBasedRunner.save_checkpoint) if kind is CheckpointHook else set()
    )


def _words(node: Any) -> set[str]:
    """Collect every word in the source of a model's classes, and what classes named there take.

    Nothing lists the keys of sections such as ``test_cfg``, which are read by attribute here and
    there, and of those that a class hands to another. But a word that does not occur is not read.
    """
    if isinstance(node, list | tuple):
        return set().union(*map(_words, node))
    if not isinstance(node, dict):
        return set()
    sources = [base for _, kind in _classes(node.get('type')) for base in kind.__mro__]
    return set().union(*map(_words_of, sources), *map(_words, node.values()))


@cache
def _words_of(kind: type) -> set[str]:
    if kind.__module__.split('.')[0] in ('torch', 'builtins', 'abc', 'typing'):
        return set()
    module = sys.modules[kind.__module__]
    words = set(re.findall(r'[A-Za-z]\w*', inspect.getsource(module)))
    used: list[Any] = [value for value in vars(module).values() if inspect.isclass(value)]
    used += [found for word in words for _, found in _classes(word)]
    taken = set().union(*(_taken(other) for other in used))
    return {word for word in words if word[0].islower()} | taken


def _hook(content: dict[str, Any], section: str, suffix: str) -> set[str]:
    """List what the hook takes that ``policy`` chooses."""
    policy = str(content[section].get('policy', ''))
    name = (policy.title() if policy == policy.lower() else policy) + suffix
    kind = content[section].get('type', name)
    found = HOOKS.get(kind) or HOOKS.get('Fixed' + suffix)
    return _taken(found) | {'policy', 'type'}


def _optimizer_hook(content: dict[str, Any]) -> set[str]:
    kind = content['optimizer_config'].get('type', 'OptimizerHook')
    return _taken(HOOKS.get(kind) or HOOKS.get('OptimizerHook')) | {'type'}


def _evaluation(content: dict[str, Any]) -> set[str]:
    """List what the hook takes, and the dataset that it evaluates."""
    val = content['data'].get('val')
    options = {field.name for field in fields(SearchOptions)}
    kinds: list[Any] = [kind for _, kind in _classes(val.get('type') if val else None)]
    own = set().union(*(_arguments(kind.evaluate) for kind in kinds)) - {'results', 'logger'}
    return (_taken(EvalHook) - {'dataloader', 'test_fn'}) | own | options


def _paramwise(content: dict[str, Any]) -> set[str]:
    kind = OPTIMIZER_BUILDERS.get(content['optimizer'].get('constructor', ''))
    own = set().union(*map(_words_of, kind.__mro__)) if kind else set()
    return own | {
        *('custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult'),
        *('dwconv_decay_mult', 'dcn_offset_lr_mult', 'bypass_duplicate'),
    }


def _given(*names: str) -> Callable[[dict[str, Any]], set[str]]:
    return lambda content: set(names)


_LOADER = _arguments(build_dataloader) | _arguments(DataLoader) - {'dataset', 'seed', 'dist'}
_PLAIN: dict[tuple[str, ...], Callable[[dict[str, Any]], set[str]]] = {
    ('data',): _given(
        *(*_SPLITS, *_LOADER_NUMBERS, 'persistent_workers'),
        *(f'{split}_dataloader' for split in _SPLITS),
    ),
    **{('data', f'{split}_dataloader'): _given(*_LOADER) for split in _SPLITS},
    ('optimizer', 'paramwise_cfg'): _paramwise,
    _CUSTOM_KEYS: lambda content: set(content['optimizer']['paramwise_cfg']['custom_keys']),
    ('optimizer_config',): _optimizer_hook,
    ('optimizer_config', 'grad_clip'): lambda content: _arguments(clip_grad_norm_) - {'parameters'},
    ('lr_config',): lambda content: _hook(content, 'lr_config', 'LrUpdaterHook'),
    ('momentum_config',): lambda content: _hook(content, 'momentum_config', 'MomentumUpdaterHook'),
    ('evaluation',): _evaluation,
    ('checkpoint_config',): lambda content: _taken(CheckpointHook) | {'type'},
    ('log_config',): _given('interval', 'hooks'),
    ('dist_params',): lambda content: _arguments(dist.init_process_group) | {'port'},
    ('auto_scale_lr',): _given('enable', 'base_batch_size'),
    ('custom_imports',): _given('imports', 'allow_failed_imports'),
    ('fp16',): lambda content: _taken(Fp16OptimizerHook),
}
