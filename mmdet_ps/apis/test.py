"""Testing a trained model: its results on a dataset, and their evaluation."""

from typing import Any

from mmcv import Config
from mmdet.datasets import build_dataset
from mmdet.models import build_detector
from torch import nn

from mmdet_ps.core.checkpoints import load_weights
from mmdet_ps.core.parallel import wrap_model
from mmdet_ps.core.testing import collect_results
from mmdet_ps.datasets.loader import build_dataloader, loader_options
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
    cfg: Config,
    gt_boxes: bool = False,
    query_boxes: bool = False,
    check_pictures: bool = True,
    part: str = 'test',
) -> Any:
    """Build the test dataset, which hands given boxes to the network where asked to.

    Args:
        cfg: Config with ``data``.
        gt_boxes: Whether the annotated boxes are described instead of detections.
        query_boxes: Whether the queries' boxes are described besides.
        check_pictures: Whether every picture has to be there; without a model none is needed.
        part: Of ``cfg.data``; ``val`` in training.

    Returns:
        The dataset.
    """
    test_cfg = cfg.data[part]
    if gt_boxes:
        test_cfg = use_given_boxes(test_cfg, 'gt')
    if query_boxes:
        test_cfg = use_given_boxes(test_cfg, 'query')
    defaults = {} if check_pictures else dict(check_pictures=False)
    return build_dataset(test_cfg, dict(test_mode=True, **defaults))


def run_model(
    model: nn.Module, dataset: Any, cfg: Config, distributed: bool = False
) -> list[dict] | None:
    """Run a model over a dataset.

    Args:
        model: Detector.
        dataset: Test dataset.
        cfg: Config with ``data``: ``samples_per_gpu`` and ``workers_per_gpu`` of
            ``data.test_dataloader`` or of ``data``.
        distributed: Whether processes share the pictures.

    Returns:
        One dict a picture in the dataset's order, with ``img_name``; None on processes other than
        the first.
    """
    options = loader_options(cfg.data, 'test')
    loader = build_dataloader(dataset, dist=distributed, shuffle=False, **options)
    results = collect_results(wrap_model(model, distributed), loader)
    if results is not None:
        for result, info in zip(results, dataset.data_infos, strict=True):
            result['img_name'] = info['filename']
    return results
