"""From a published file to one for its config."""

import os
import zipfile
from pathlib import Path

from mmcv import Config
from mmdet.models import build_detector

from mmdet_ps import __version__
from mmdet_ps.core.checkpoints import (
    is_whole,
    load_checkpoint_file,
    state_dict_of,
    write_checkpoint,
)

from .alignps_released import Conversion, convert, recognise


def convert_file(
    source: str | os.PathLike,
    out: str | os.PathLike,
    configs: str | os.PathLike,
    layout: str | None = None,
    trust: bool = False,
) -> tuple[str, Conversion]:
    """Convert a checkpoint that the authors of AlignPS published.

    Args:
        source: The published file.
        out: Where the converted one is written, whole or not at all.
        configs: Folder of the configs of published checkpoints, ``configs/released``.
        layout: What the file should be, one of `LAYOUTS`; None tells it from names and shapes.
        trust: See `load_checkpoint_file`.

    Returns:
        The layout, and what became of every tensor.

    Raises:
        FileNotFoundError: Without such a file.
        ValueError: The file is broken, or is none of the published ones or another than it should
            be.
        OSError: ``out`` cannot be written.
    """
    content = load_checkpoint_file(source, trust)
    # What torch reads may still have wrong bytes: it does not look at the checksums.
    if zipfile.is_zipfile(source) and not is_whole(Path(source)):
        raise ValueError(f'{source}: damaged, a checksum in it is wrong; download or copy it again')
    state = state_dict_of(content, source)
    try:
        layout = recognise(state, layout)
        cfg = Config.fromfile(released_config(configs, layout), import_custom_modules=False)
        done = convert(state, build_detector(cfg.model).state_dict())
    except ValueError as error:
        raise ValueError(f'{source}: {error}') from None
    meta = dict(CLASSES=('person',), converted_from=layout, mmdet_ps_version=__version__)
    write_checkpoint(dict(meta=meta, state_dict=done.state_dict), Path(out))
    return layout, done


def released_config(configs: str | os.PathLike, layout: str) -> Path:
    """The config of a layout in the folder of those of published checkpoints."""
    arch, dataset = layout.rsplit('_', 1)
    return Path(configs) / f'{arch}_r50_{dataset}.py'
