"""A person search dataset: COCO-style boxes with identities, and the queries searched for.

Shapes: M people in a picture, K queries taken from a picture.
"""

import contextlib
import io
import os
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from mmcv.parallel import DataContainer
from mmcv.utils import print_log
from mmdet.datasets import DATASETS, CocoDataset
from mmdet.datasets.api_wrappers import COCO

from ..core.evaluation import (
    SearchOptions,
    SearchProtocol,
    evaluate_results,
    format_table,
    load_protocols,
    summarize,
)
from ..utils.pictures import PictureError, missing_pictures
from .annotations import NO_IDENTITY, Annotations, read_annotations, read_queries


@DATASETS.register_module()
class PersonSearchDataset(CocoDataset):
    """Scenes with people, each with an identity (``person_id`` >= 0) or without (negative).

    Samples number the identities through, from 0 in the order of their ``person_id``: their
    ``pids`` are rows of a lookup table, and ``person_ids`` tells what the file calls each.

    Args:
        ann_file: COCO-style json whose annotations carry ``person_id``; who counts in it is said in
            ``mmdet_ps.datasets.annotations``.
        pipeline: steps of ``mmdet`` and ``mmdet_ps.datasets.pipelines``; transforms that drop boxes
            have to be wrapped in ``WithPids``.
        query_file: json list of ``{"file_name", "bbox": [x, y, w, h], "person_id"}``, the queries
            of a custom dataset; without it they are those of the converted official release.
        gallery_sizes: galleries to search: one or several of 50 ... 4000 and ``'all'`` (CUHK-SYSU),
            or ``'all'``, ``'cross'``, ``'same'`` (PRW and custom datasets: every camera, only
            others than the query's, only the query's). The first gives the main numbers.
        max_corrupt: distinct broken pictures that training replaces by others before it gives up.
            At test every broken picture is an error.
        check_pictures: whether every picture has to be there; saved results are evaluated without.
        **kwargs: those of ``mmdet.datasets.CocoDataset`` (``data_root``, ``img_prefix``,
            ``test_mode``, ``filter_empty_gt``, ...).

    Raises:
        FileNotFoundError: where the annotation file or a picture is missing.
        ValueError: where a path is none, an annotation is not sane or nothing is left to train on.
    """

    CLASSES = ('person',)
    PALETTE = [(220, 20, 60)]
    GALLERY_SIZES: tuple[int | str, ...] = ('all',)
    METRICS = ('search', 'detection')

    def __init__(
        self,
        ann_file: str,
        pipeline: Sequence[dict],
        query_file: str | None = None,
        gallery_sizes: int | str | Sequence[int | str] | None = None,
        max_corrupt: int = 10,
        check_pictures: bool = True,
        **kwargs: Any,
    ):
        paths = dict(kwargs, ann_file=ann_file, query_file=query_file)
        for name in ('ann_file', 'query_file', 'data_root', 'img_prefix'):
            path = paths.get(name)
            if not isinstance(path, str) and (path is not None or name == 'ann_file'):
                raise ValueError(f'{name}={path!r}: the path of a file or folder is needed')
        super().__init__(ann_file, pipeline, **kwargs)
        self.query_file = query_file and os.path.join(self.data_root or '', query_file)
        self.gallery_sizes = self.GALLERY_SIZES if gallery_sizes is None else gallery_sizes
        self.max_corrupt = max_corrupt
        self._gives_queries = any(
            step['type'] == 'LoadGivenBoxes' and step.get('source') == 'query' for step in pipeline
        )
        if not self.test_mode and not len(self):
            raise ValueError(
                f'{self.ann_file}: no picture with people is left to train on; give the training '
                f'annotations as data.train.ann_file, or set data.train.filter_empty_gt=False to '
                f'train on pictures without people'
            )
        if check_pictures:
            self._check_pictures()
        # Shared with the loader's workers, so that all of them count together.
        self._corrupt = torch.zeros(len(self), dtype=torch.bool).share_memory_()

    def load_annotations(self, ann_file: str) -> list[dict]:
        """Read and check the annotation file; one dict a picture, in the file's order."""
        self._annotations: Annotations = read_annotations(ann_file)
        people = self._annotations.people
        if self._annotations.left_out:
            if not people and not self.test_mode:
                raise ValueError(f'{self._annotations.left_out}; nobody is left to train on')
            warnings.warn(self._annotations.left_out, stacklevel=2)
        self.coco = COCO()
        self.coco.dataset = self._annotations.to_coco()
        with contextlib.redirect_stdout(io.StringIO()):
            self.coco.createIndex()
        # mmdet's names for the two indices.
        self.coco.img_ann_map, self.coco.cat_img_map = self.coco.imgToAnns, self.coco.catToImgs
        self.cat_ids, self.cat2label = [1], {1: 0}
        self.img_ids = self.coco.get_img_ids()
        pids = np.array([person.person_id for person in people], dtype=np.int64)
        self.person_ids = np.unique(pids[pids >= 0])
        return [dict(info, filename=info['file_name']) for info in self.coco.dataset['images']]

    def _check_pictures(self) -> None:
        if self.file_client.name != 'HardDiskBackend':
            return
        prefix = self.img_prefix or ''
        missing = missing_pictures(prefix, [info['filename'] for info in self.data_infos])
        if missing:
            raise FileNotFoundError(
                f'{os.path.join(prefix, missing[0])}: no such picture ({len(missing)} of '
                f'{self.ann_file} are missing); correct data_root or img_prefix'
            )

    def _parse_ann_info(self, img_info: dict, ann_info: list[dict]) -> dict[str, Any]:
        """What the base class gives, and ``pids`` (M,) int64 of the ``bboxes``, -1 = none."""
        # Whoever counts has passed all conditions of the base class, so it leaves nobody out.
        ann = super()._parse_ann_info(img_info, ann_info)
        del ann['masks']
        pids = np.array([person['person_id'] for person in ann_info], dtype=np.int64)
        ann['pids'] = np.where(pids < 0, NO_IDENTITY, np.searchsorted(self.person_ids, pids))
        return ann

    @property
    def num_pids(self) -> int:
        """Number of identities: the rows that a lookup table needs."""
        return len(self.person_ids)

    def prepare_train_img(self, idx: int) -> dict[str, Any] | None:
        """One training sample.

        Raises:
            ValueError: where the pipeline dropped boxes and left their identities behind.
        """
        data = super().prepare_train_img(idx)
        if data is not None and 'gt_pids' in data:
            boxes, pids = (_unwrap(data[key]) for key in ('gt_bboxes', 'gt_pids'))
            if len(boxes) != len(pids):
                raise ValueError(
                    f'the training pipeline left {len(boxes)} gt_bboxes but {len(pids)} gt_pids of '
                    f'{self.data_infos[idx]["filename"]}; wrap the step that drops boxes: '
                    f"dict(type='WithPids', transform=dict(...)) in data.train.pipeline"
                )
        return data

    def prepare_test_img(self, idx: int) -> dict[str, Any]:
        """One test sample; the pipeline sees the annotations too, for ``LoadGivenBoxes``."""
        results = dict(img_info=self.data_infos[idx], ann_info=self.get_ann_info(idx))
        if self._gives_queries:
            results['ann_info']['query_bboxes'] = self.queries_of(idx)
        self.pre_pipeline(results)
        return self.pipeline(results)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        """Sample ``idx``; in training a broken picture is replaced by another of its shape group.

        Raises:
            PictureError: at test for a broken picture; in training for too many of them.
        """
        if self.test_mode:
            return self.prepare_test_img(idx)
        while True:
            data = None
            if not self._corrupt[idx]:
                try:
                    data = self.prepare_train_img(idx)
                except PictureError as error:
                    self._count_corrupt(idx, error)
            if data is not None:
                return data
            idx = self._rand_another(idx)

    def _count_corrupt(self, idx: int, error: PictureError) -> None:
        self._corrupt[idx] = True
        count = int(self._corrupt.sum())
        group = self.flag == self.flag[idx]
        if count > self.max_corrupt or bool(self._corrupt.numpy()[group].all()):
            raise PictureError(
                f'{error} ({count} broken training pictures, data.train.max_corrupt='
                f'{self.max_corrupt} are replaced)'
            )
        warnings.warn(f'{error}; replaced by another picture ({count} so far)', stacklevel=3)

    @property
    def corrupt_pictures(self) -> list[str]:
        """Names of the pictures found broken so far, by any worker."""
        return [self.data_infos[i]['filename'] for i in torch.nonzero(self._corrupt).flatten()]

    def load_protocols(
        self, gallery_sizes: int | str | Sequence[int | str] | None = None
    ) -> list[SearchProtocol]:
        """The search protocols of ``gallery_sizes`` (by default the dataset's own).

        Raises:
            FileNotFoundError, ValueError: where there is none, or none of that name.
        """
        sizes = self.gallery_sizes if gallery_sizes is None else gallery_sizes
        if self.query_file is None:
            return load_protocols(self.data_root or os.path.dirname(self.ann_file), sizes)
        queries = read_queries(self.query_file, self._annotations.images, self.ann_file)
        rules = [sizes] if isinstance(sizes, int | str) else sizes
        return [self._annotations.search_protocol(queries, str(rule)) for rule in rules]

    @cached_property
    def protocols(self) -> list[SearchProtocol]:
        """The search protocols of the dataset's own ``gallery_sizes``."""
        return self.load_protocols()

    @cached_property
    def _query_boxes(self) -> dict[str, np.ndarray]:
        boxes = defaultdict(list)
        protocol = self.protocols[0]
        for name, box in zip(protocol.query_names, protocol.query_boxes, strict=True):
            boxes[name].append(box)
        return {name: np.array(found, dtype=np.float32) for name, found in boxes.items()}

    def queries_of(self, idx: int) -> np.ndarray:
        """Boxes of the queries taken from picture ``idx``, in the protocol's order.

        Returns:
            (K, 4) float32 x1 y1 x2 y2 in pixels of the original picture; K may be 0.
        """
        found = self._query_boxes.get(self.data_infos[idx]['filename'])
        return np.zeros((0, 4), np.float32) if found is None else found.copy()

    def evaluate(
        self,
        results: Sequence[Mapping[str, Any]],
        metric: str | Sequence[str] = METRICS,
        logger: Any = None,
        gallery_sizes: int | str | Sequence[int | str] | None = None,
        **options: Any,
    ) -> 'OrderedDict[str, float]':
        """Numbers for the evaluation hook; the table goes to ``logger``.

        Args:
            results: one dict a picture, as the detectors return them; see ``evaluate_results``.
            metric: ``'search'``, ``'detection'`` or both.
            logger: where the table is printed.
            gallery_sizes: other galleries than the dataset's own.
            **options: those of `SearchOptions`: ``score_thr``, ``query_feature``, ``cbgm``, ...

        Returns:
            ``mAP``, ``top1``, ``top5``, ``top10`` of the first gallery with the concatenation of
            all features, ``det_AP``, ``det_recall``, ... (0..1); more rows under prefixed names.

        Raises:
            KeyError: for an unknown metric.
            ValueError: where the results do not belong to this dataset.
        """
        report = self.report(results, SearchOptions(**options), metric, gallery_sizes)
        print_log(f'\n{format_table(report)}', logger)
        return OrderedDict(summarize(report))

    def report(
        self,
        results: Sequence[Mapping[str, Any]],
        options: SearchOptions = SearchOptions(),  # noqa: B008  frozen
        metric: str | Sequence[str] = METRICS,
        gallery_sizes: int | str | Sequence[int | str] | None = None,
        ranking_file: str | os.PathLike | None = None,
    ) -> dict[str, Any]:
        """The full report of ``evaluate_results``; arguments as there and in ``evaluate``."""
        metrics = [metric] if isinstance(metric, str) else list(metric)
        unknown = [name for name in metrics if name not in self.METRICS]
        if unknown:
            raise KeyError(f'evaluation.metric={unknown[0]!r}; allowed are {self.METRICS}')
        names = [info['filename'] for info in self.data_infos]
        protocols: list[SearchProtocol] = []
        if 'search' in metrics:
            own = gallery_sizes is None
            protocols = self.protocols if own else self.load_protocols(gallery_sizes)
        gts = None
        if 'detection' in metrics:
            anns = [self.get_ann_info(i) for i in range(len(self))]
            gts = [dict(bboxes=ann['bboxes'], gt_pids=ann['pids']) for ann in anns]
        return evaluate_results(results, names, protocols, gts, options, ranking_file)


def _unwrap(value: Any) -> Any:
    return value.data if isinstance(value, DataContainer) else value
