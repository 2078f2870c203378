"""Pictures of one's own as a model's input, made by the test pipeline of its config."""

import os
from collections.abc import Sequence
from typing import Any

from mmcv import Config
from mmcv.parallel import collate
from mmdet.datasets.pipelines import Compose


def load_pictures(cfg: Config, paths: Sequence[str | os.PathLike]) -> dict[str, list]:
    """Read, resize, normalise and pad pictures as a test of the config does.

    Args:
        cfg: Config with ``data.test.pipeline``.
        paths: Picture files, N of them.

    Returns:
        Arguments of a test: ``img``, a list of one tensor (N, 3, H, W) on the CPU, padded to the
        largest, and ``img_metas``, a list of one list of N dicts.

    Raises:
        PictureError: A file is missing, broken or no picture.
    """
    pipeline = Compose(cfg.data.test.pipeline)
    read: list[dict[str, Any]] = [
        pipeline(dict(img_info=dict(filename=str(path)), img_prefix=None)) for path in paths
    ]
    batch = collate(read, samples_per_gpu=len(read))
    return {key: [packed.data[0] for packed in batch[key]] for key in ('img', 'img_metas')}
