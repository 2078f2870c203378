"""Pictures, people with their identities, and boxes that the network is given at test time."""

import copy
import os
from typing import Any

import numpy as np
from mmcv import FileClient
from mmdet.datasets import PIPELINES
from mmdet.datasets.pipelines import LoadAnnotations, LoadImageFromFile

from ...utils.pictures import PictureError, decode_picture


@PIPELINES.register_module()
class LoadSceneImage(LoadImageFromFile):
    """``LoadImageFromFile`` that refuses a broken picture in place of training on grey.

    Raises:
        PictureError: where the file is missing, empty, truncated or no picture.
        ValueError: where its size is not the one that the annotation file gives: the boxes belong
            to another picture.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Load the picture of ``results['img_info']``; sets what the base class sets."""
        info = results['img_info']
        name = info['filename']
        path = os.path.join(results['img_prefix'] or '', name)
        img = decode_picture(self._read(path), path)
        annotated = (info.get('height', img.shape[0]), info.get('width', img.shape[1]))
        if img.shape[:2] != annotated:
            raise ValueError(
                f'{path}: is {img.shape[1]}x{img.shape[0]}, the annotations are for '
                f'{annotated[1]}x{annotated[0]}; convert the dataset again with --force'
            )
        if self.channel_order == 'rgb':
            img = np.ascontiguousarray(img[..., ::-1])
        if self.to_float32:
            img = img.astype(np.float32)
        results.update(
            filename=path,
            ori_filename=name,
            img=img,
            img_shape=img.shape,
            ori_shape=img.shape,
            img_fields=['img'],
        )
        return results

    def _read(self, path: str) -> bytes:
        if self.file_client is None:
            self.file_client = FileClient(**self.file_client_args)
        try:
            return self.file_client.get(path)
        except FileNotFoundError:
            raise PictureError(
                f'{path}: no such picture; correct data_root or img_prefix'
            ) from None


@PIPELINES.register_module()
class LoadPersonAnnotations(LoadAnnotations):
    """Boxes, labels and ``gt_pids`` (M,) int64, -1 = no identity."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Set ``gt_bboxes`` (M, 4), ``gt_labels`` (M,) and ``gt_pids`` (M,)."""
        results = super().__call__(results)
        results['gt_pids'] = results['ann_info']['pids'].copy()
        return results


@PIPELINES.register_module()
class LoadGivenBoxes:
    """Boxes handed to the network at test time, whose features are wanted.

    They become ``gt_bboxes`` or ``query_bboxes``, which resizing takes along. ``use_given_boxes``
    puts this step into a test pipeline.

    Args:
        source: ``'gt'`` for everybody annotated in the picture, ``'query'`` for the queries that
            were taken from it (``PersonSearchDataset.queries_of``).
    """

    SOURCES = ('gt', 'query')

    def __init__(self, source: str = 'gt'):
        if source not in self.SOURCES:
            raise ValueError(f'LoadGivenBoxes: source={source!r}; allowed are {self.SOURCES}')
        self.source = source

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Set (K, 4) float32 xyxy in pixels of the picture as loaded; K may be 0."""
        boxes = results['ann_info']['bboxes' if self.source == 'gt' else 'query_bboxes']
        key = f'{self.source}_bboxes'
        results[key] = boxes.astype(np.float32)
        results['bbox_fields'].append(key)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(source={self.source!r})'


def use_given_boxes(dataset_cfg: dict[str, Any], source: str) -> dict[str, Any]:
    """Copy of a test dataset's config whose pipeline hands given boxes to the network.

    ``LoadGivenBoxes(source)`` is put after the picture is loaded and its boxes are collected, so a
    test loop calls ``model(..., gt_bboxes=[[boxes of each picture]])`` (or ``query_bboxes=``) with
    boxes in pixels of the resized picture; the outer list are the test-time augmentations.

    Raises:
        ValueError: where the pipeline does not begin by loading a picture or collects nothing.
    """
    cfg = copy.deepcopy(dataset_cfg)
    pipeline = cfg['pipeline']
    if not pipeline or 'Load' not in pipeline[0]['type']:
        raise ValueError(
            f'a test pipeline has to begin with loading the picture, not {pipeline[:1]}; '
            f'see configs/_base_/datasets'
        )
    key = f'{source}_bboxes'
    wrap = [
        dict(type='ToTensor', keys=[key]),
        dict(type='ToDataContainer', fields=[dict(key=key)]),
    ]
    collected = False
    for steps in [pipeline, *(step['transforms'] for step in pipeline if 'transforms' in step)]:
        for place in [i for i, step in enumerate(steps) if step['type'] == 'Collect']:
            steps[place]['keys'] = [*steps[place]['keys'], key]
            # DefaultFormatBundle has packed gt_bboxes already; it does not know query_bboxes.
            steps[place:place] = wrap if source == 'query' else []
            collected = True
    if not collected:
        raise ValueError('the test pipeline has no Collect step; see configs/_base_/datasets')
    pipeline.insert(1, dict(type='LoadGivenBoxes', source=source))
    return cfg
