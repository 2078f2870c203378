"""What a search reaches without learning, on the very boxes that a model found.

A model's mAP says little alone: galleries of 50 pictures and clothes of many colours let even mean
colours find people. Three yardsticks keep the boxes and replace the features: random numbers, the
network before training, and the mean colour of four stripes of the body.

Shapes: N pictures, n_i boxes in picture i.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config
from mmdet.apis import set_random_seed
from torch.utils.data import Dataset

from mmdet_ps.apis import build_test_set, load_model, run_model
from mmdet_ps.core.evaluation import SearchOptions
from mmdet_ps.utils.logs import without_info
from mmdet_ps.utils.pictures import decode_picture

STRIPES = 4
RANDOM_CHANNELS = 256
# The share of the box's width that is measured: the middle, where the body is.
_MIDDLE = 0.5

RANDOM, UNTRAINED, COLOUR = 'random features', 'untrained network', 'colour stripes'


class _BoxesOf(Dataset):
    """A test set whose pictures are handed to the network with boxes of one's own."""

    def __init__(self, dataset: Any, boxes: Sequence[np.ndarray]):
        self.dataset, self.boxes = dataset, boxes
        self.data_infos = dataset.data_infos

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        results = dict(img_info=self.data_infos[idx], ann_info=dict(bboxes=self.boxes[idx]))
        self.dataset.pre_pipeline(results)
        return self.dataset.pipeline(results)


def describe_boxes(
    cfg: Config, checkpoint: str | None, boxes: Sequence[np.ndarray], seed: int = 0
) -> list[dict[str, np.ndarray]]:
    """Features that a network gives for boxes.

    Args:
        cfg: config with ``model`` and ``data.test``.
        checkpoint: weights; None for a network that is not trained, started from ``seed``.
        boxes: N arrays (n_i, 4) x1 y1 x2 y2 in pixels of the original pictures, in the order of
            the test set.
        seed: of the random weights.

    Returns:
        N dicts of arrays (n_i, D) by name.
    """
    set_random_seed(seed)
    model = load_model(cfg, checkpoint)
    if checkpoint is None:
        with without_info():
            model.init_weights()
    given = _BoxesOf(build_test_set(cfg, gt_boxes=True), boxes)
    return [result['feats'] for result in run_model(model, given, cfg)]


def random_feats(counts: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    """Normally distributed features: N arrays (n_i, 256) float32."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, RANDOM_CHANNELS)).astype(np.float32) for n in counts]


def colour_stripes(picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Mean colours of four stripes of each box, one above the other.

    Only the middle half of the width counts, and only what is inside the picture; a stripe that is
    all outside has the colour of the picture's nearest edge.

    Args:
        picture: (H, W, 3) uint8.
        boxes: (n, 4) x1 y1 x2 y2 in pixels.

    Returns:
        (n, 12) float32, 0..255, stripe by stripe from the top.
    """
    height, width = picture.shape[:2]
    colours = np.empty((len(boxes), STRIPES, 3), np.float32)
    for row, (x1, y1, x2, y2) in zip(colours, np.asarray(boxes, np.float64)[:, :4], strict=True):
        margin = (x2 - x1) * (1 - _MIDDLE) / 2
        left, right = _span(x1 + margin, x2 - margin, width)
        edges = np.linspace(y1, y2, STRIPES + 1)
        for k in range(STRIPES):
            top, bottom = _span(edges[k], edges[k + 1], height)
            row[k] = picture[top:bottom, left:right].mean((0, 1))
    return colours.reshape(-1, 3 * STRIPES)


def _span(low: float, high: float, limit: int) -> tuple[int, int]:
    """Whole pixels of an interval, at least one of them, inside 0..limit."""
    start = int(np.clip(round(low), 0, limit - 1))
    return start, int(np.clip(round(high), start + 1, limit))


def colour_feats(paths: Sequence[str | Path], boxes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Colour stripes of every box, minus their mean over all boxes: N arrays (n_i, 12) float32.

    Without the mean subtracted, all similarities would be close to 1 (colours are positive).
    """
    rows = [
        colour_stripes(decode_picture(Path(path).read_bytes(), str(path)), found)
        for path, found in zip(paths, boxes, strict=True)
    ]
    mean = np.concatenate(rows).mean(0) if sum(map(len, rows)) else np.zeros(3 * STRIPES)
    return [(row - mean).astype(np.float32) for row in rows]


def measure_yardsticks(
    cfg: Config,
    dataset: Any,
    results: Sequence[Mapping[str, Any]],
    options: SearchOptions,
    gallery_sizes: Any = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Search numbers of a model and of the three yardsticks on its boxes.

    Args:
        cfg: config of the model.
        dataset: test set, as ``build_test_set`` gives it.
        results: one dict a picture, as the detectors return them.
        options: how the search is evaluated, the model's and the yardsticks' alike. With
            ``query_feature='gt_box'`` the yardsticks describe the ``query_boxes`` of the results.
        gallery_sizes: galleries to search; None for the dataset's own.
        seed: of the random features and of the untrained network.

    Returns:
        A report as ``evaluate_results`` gives it: the model's rows, then a row a yardstick. A
        network with several features counts with their concatenation.

    Raises:
        ValueError: where the results do not belong to the dataset.
        KeyError: where they have no boxes of the queries and ``options`` needs them.
        PictureError: where a picture is broken.
    """
    report = dataset.report(results, options, 'search', gallery_sizes)
    # The queries' boxes follow the people's, and are described with them.
    boxes = [
        np.concatenate([r['bboxes'][:, :4], r['query_boxes'][:, :4]])
        if 'query_boxes' in r
        else r['bboxes'][:, :4]
        for r in results
    ]
    paths = [Path(dataset.img_prefix or '', info['filename']) for info in dataset.data_infos]
    feats = {
        RANDOM: [{RANDOM: row} for row in random_feats([len(found) for found in boxes], seed)],
        COLOUR: [{COLOUR: row} for row in colour_feats(paths, boxes)],
        UNTRAINED: describe_boxes(cfg, None, boxes, seed),
    }
    for name, described in feats.items():
        own = [_with_feats(result, rows) for result, rows in zip(results, described, strict=True)]
        rows = dataset.report(own, options, 'search', gallery_sizes)['search']
        last = {row['protocol']: dict(row, feature=name) for row in rows}
        report['search'] += last.values()
    return report


def _with_feats(result: Mapping[str, Any], rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """A result with the features of its boxes, and behind them of its query boxes, replaced."""
    n = len(result['bboxes'])
    replaced = dict(result, feats={name: row[:n] for name, row in rows.items()})
    if 'query_boxes' in result:
        replaced['query_feats'] = {name: row[n:] for name, row in rows.items()}
    return replaced


__all__ = [
    'colour_feats',
    'colour_stripes',
    'describe_boxes',
    'measure_yardsticks',
    'random_feats',
]
