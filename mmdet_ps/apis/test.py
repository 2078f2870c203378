"""Testing a trained model: its results on a dataset, and their evaluation."""

import tempfile
from pathlib import Path
from typing import Any

import torch.distributed as dist
from mmcv import Config
from mmcv.runner import get_dist_info
from mmdet.apis import multi_gpu_test, single_gpu_test
from mmdet.datasets import build_dataloader, build_dataset
from mmdet.models import build_detector
from torch import nn

from mmdet_ps.core.checkpoints import load_weights
from mmdet_ps.core.parallel import wrap_model
from mmdet_ps.datasets.pipelines import use_given_boxes


def load_model(cfg: Config, checkpoint: str | None, trust: bool = False) -> nn.Module:
    """Build the model of a config and give it a checkpoint's weights.

    Args:
        cfg: Config with ``model``.
        checkpoint: File of this project's training or converters; None keeps random weights.
        trust: See `mmdet_ps.core.checkpoints.load_checkpoint_file`.

    Returns:
        The model in evaluation mode, on the CPU.

    Raises:
        FileNotFoundError: No such checkpoint.
        ValueError: The checkpoint is broken or belongs to another model.
    """
    model_cfg = cfg.model.copy()
    model_cfg.backbone = {**model_cfg.backbone, 'init_cfg': None}
    model = build_detector(model_cfg)
    if checkpoint is not None:
        load_weights(model, checkpoint, trust=trust)
    return model.eval()


def build_test_set(
    cfg: Config, gt_boxes: bool = False, query_boxes: bool = False, check_pictures: bool = True
) -> Any:
    """Build the test dataset, which hands given boxes to the network where asked to.

    Args:
        cfg: Config with ``data.test``.
        gt_boxes: Whether the annotated boxes are described instead of detections.
        query_boxes: Whether the queries' boxes are described besides.
        check_pictures: Whether every picture has to be there; without a model none is needed.

    Returns:
        The dataset.
    """
    test_cfg = cfg.data.test
    if gt_boxes:
        test_cfg = use_given_boxes(test_cfg, 'gt')
    if query_boxes:
        test_cfg = use_given_boxes(test_cfg, 'query')
    defaults = {} if check_pictures else dict(check_pictures=False)
    return build_dataset(test_cfg, dict(test_mode=True, **defaults))


def _new_folder(parent: str) -> str:
    """Make a folder of this run's own, whose name all processes learn from the first."""
    name = [None]
    if get_dist_info()[0] == 0:
        Path(parent).mkdir(parents=True, exist_ok=True)
        name = [tempfile.mkdtemp(prefix='.test_parts.', dir=parent)]
    dist.broadcast_object_list(name)
    return name[0]


def run_model(
    model: nn.Module,
    dataset: Any,
    cfg: Config,
    distributed: bool = False,
    parts: str = 'work_dirs',
) -> list[dict] | None:
    """Run a model over a dataset.

    Args:
        model: Detector.
        dataset: Test dataset.
        cfg: Config with ``data``: ``samples_per_gpu`` and ``workers_per_gpu`` of
            ``data.test_dataloader`` or of ``data``.
        distributed: Whether processes share the pictures.
        parts: Folder that all processes see; their parts of the results go into a new one in it.

    Returns:
        One dict a picture in the dataset's order, with ``img_name``; None on processes other than
        the first.
    """
    loader_cfg = dict(samples_per_gpu=1, workers_per_gpu=cfg.data.get('workers_per_gpu', 2))
    loader_cfg.update(cfg.data.get('test_dataloader', {}))
    loader = build_dataloader(dataset, dist=distributed, shuffle=False, **loader_cfg)
    wrapped = wrap_model(model, distributed)
    if distributed:
        results = multi_gpu_test(wrapped, loader, _new_folder(parts))
    else:
        results = single_gpu_test(wrapped, loader)
    if results is not None:
        for result, info in zip(results, dataset.data_infos, strict=True):
            result['img_name'] = info['filename']
    return results
