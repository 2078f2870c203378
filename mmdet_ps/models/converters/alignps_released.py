"""The checkpoints that the authors of AlignPS published, under this project's names.

They come from a fork of mmdet 2.4. Six layouts exist: AlignPS, AlignPS with deformable convolutions
in the backbone (AlignPS+) and ROI-AlignPS, each for CUHK-SYSU and PRW. Most names are mmdet's on
both sides; what differs is in the tables below.
"""

import re
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmdet_ps.core.checkpoints import listed, misfits

ARCHS = ('alignps', 'alignps-dcn', 'roi_alignps')
# Rows of the lookup table, the training identities of each dataset.
DATASETS = {5532: 'cuhk', 483: 'prw'}
LAYOUTS = tuple(f'{arch}_{dataset}' for arch in ARCHS for dataset in DATASETS.values())

_TABLE = 'bbox_head.labeled_matching_layer.lookup_table'

_RENAMED = {
    r'bbox_head\.labeled_matching_layer\.lookup_table': 'bbox_head.loss_reid.oim.memory.table',
    r'roi_head\.bbox_head\.loss_oim\.lut': 'roi_head.bbox_head.loss_reid.oim.memory.table',
    r'roi_head\.bbox_head\.loss_oim\.cq': 'roi_head.bbox_head.loss_reid.oim.memory.queue',
    r'mi_estimator\.T_func\.(\d+\.\w+)': r'mutual.0.estimator.\1',
}

_DROPPED = {
    r'neck\.fpn_convs\.[1-4]\..*': 'pyramid level P4 - P7; people are found on P3 alone',
    r'bbox_head\.scales\.[1-4]\.scale': 'pyramid level P4 - P7; people are found on P3 alone',
    r'bbox_head\.unlabeled_matching_layer\.(queue|tail)': (
        'training state of which only 64 of 256 channels were ever written; the queue starts empty'
    ),
    r'((un)?labeled_matching_layer|loss_oim)\.\w+': (
        'a second memory, beside those of the heads; sized for CUHK-SYSU on PRW too, so never used'
    ),
    r'roi_head\.bbox_head\.fc_cls\.(weight|bias)': (
        "not used; a RoI's class is read from the norm of its embedding"
    ),
}

# Buffers that the published files lack, by the end of their names.
_FRESH = {
    'memory.queue': 'empty',
    'memory.pointer': '0, entries are written from the start',
    'memory.touched': 'the rows of the table that are not zero',
    'mutual.0.step': '0, training turns start afresh',
}


@dataclass
class Conversion:
    """What became of every tensor of a file.

    Attributes:
        state_dict: Complete, for the model of the layout's config.
        placed: New name by old name, of what was taken over.
        dropped: Reason by old name.
        fresh: What it holds, by new name, of what was not in the file.
    """

    state_dict: dict[str, Tensor] = field(default_factory=dict)
    placed: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    fresh: dict[str, str] = field(default_factory=dict)


def recognise(state: dict[str, Tensor], layout: str | None = None) -> str:
    """Tell which of the six layouts a published file has.

    Args:
        state: Its tensors by name.
        layout: What it should be, one of `LAYOUTS`.

    Returns:
        One of `LAYOUTS`.

    Raises:
        ValueError: It is none of them, another than it should be, or converted already; or it has
            no lookup table that would tell the dataset, and ``layout`` is not given.
    """
    if any('.memory.table' in name for name in state):
        raise ValueError("it has this project's names already: test or train with it as it is")
    marks = ('neck.lateral_convs.0.conv_offset.weight', 'bbox_head.conv_centerness.weight')
    if not all(mark in state for mark in marks):
        raise ValueError(
            f'none of the published layouts, which all have {" and ".join(marks)}; '
            f'this file begins with {listed(list(state))}'
        )
    arch = 'alignps'
    if any(name.startswith('roi_head.') for name in state):
        arch = 'roi_alignps'
    elif 'backbone.layer2.0.conv2.conv_offset.weight' in state:
        arch = 'alignps-dcn'
    if _TABLE in state:
        rows = len(state[_TABLE])
        if rows not in DATASETS:
            known = ', '.join(f'{count} ({dataset})' for count, dataset in DATASETS.items())
            raise ValueError(f'{_TABLE} has {rows} rows, published ones have {known}')
        possible = [f'{arch}_{DATASETS[rows]}']
    else:
        possible = [f'{arch}_{dataset}' for dataset in DATASETS.values()]
    if layout is None and len(possible) > 1:
        raise ValueError(
            f'{_TABLE} is not in it, which tells the dataset: say which with '
            f'--arch {" or ".join(possible)}'
        )
    if layout not in (None, *possible):
        raise ValueError(f'it is {" or ".join(possible)}, not {layout}')
    return layout or possible[0]


def _new_name(name: str) -> str:
    for pattern, replacement in _RENAMED.items():
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(replacement)
    return name


def convert(state: dict[str, Tensor], target: dict[str, Tensor]) -> Conversion:
    """Account for every tensor of a published file and every tensor of the model.

    Args:
        state: Tensors of the file by name.
        target: State dict of the model that is to load it, for names and shapes.

    Returns:
        The conversion; its state dict loads strictly.

    Raises:
        ValueError: A tensor that has no place in the model and no reason to be dropped, one of
            another shape, or one of the model's that the file lacks.
    """
    done = Conversion()
    unknown = []
    for name, tensor in state.items():
        new = _new_name(name)
        reason = next((why for what, why in _DROPPED.items() if re.fullmatch(what, name)), None)
        if reason:
            done.dropped[name] = reason
        elif new not in target:
            unknown.append(name)
        else:
            done.state_dict[new] = tensor
            done.placed[name] = new
    _add_fresh(done, target)
    missing = [name for name in target if name not in done.state_dict]
    faults = [
        f'{what}: {listed(names)}'
        for what, names in (
            ('no place for', unknown),
            ('of another shape', misfits(done.state_dict, target)),
            ('missing', missing),
        )
        if names
    ]
    if faults:
        raise ValueError('; '.join(faults))
    return done


def _add_fresh(done: Conversion, target: dict[str, Tensor]) -> None:
    """Add the buffers that the file lacks."""
    for name, tensor in target.items():
        if name in done.state_dict:
            continue
        ending = next((end for end in _FRESH if name.endswith(end)), None)
        if name.endswith('memory.table'):
            done.fresh[name] = 'empty, the file has no lookup table'
        elif ending:
            done.fresh[name] = _FRESH[ending]
        else:
            continue
        done.state_dict[name] = torch.zeros_like(tensor)
    for name in target:
        if name.endswith('memory.touched'):
            table = done.state_dict[name.replace('touched', 'table')]
            done.state_dict[name] = (table != 0).any(dim=1)
