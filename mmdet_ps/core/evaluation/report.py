"""One report for a results file: every feature on every protocol, and detection.

A report is a plain dict of lists, texts and numbers, as it stands in the json file::

    {'search': [{'feature', 'protocol', 'mAP', 'top1', 'top5', 'top10', 'num_queries', ...}, ...],
     'detection': {'recall', 'AP', 'recall_labelled', 'AP_labelled'} or None,
     'settings': {'score_thr', 'query_feature', 'class_weighted', 'skip_repeated', 'cbgm'}}

The rows of a protocol stand together; where a model has several features, their concatenation is
the last of them.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ...utils.io import atomic_write
from .detection import evaluate_detection
from .detections import check_detections, unit
from .options import SearchOptions
from .protocol import SearchProtocol
from .ranking import save_rankings
from .search import search

CONCATENATION = 'concatenation'
_METRICS = ('mAP', 'top1', 'top5', 'top10')
_COUNTS = ('num_queries', 'queries_without_detection', 'queries_without_ground_truth')

Result = Mapping[str, Any]


def evaluate_results(
    results: Sequence[Result],
    image_names: Sequence[str],
    protocols: SearchProtocol | Sequence[SearchProtocol],
    gts: Sequence[Mapping[str, np.ndarray]] | None = None,
    options: SearchOptions = SearchOptions(),  # noqa: B008  frozen
    ranking_file: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """Evaluate search and detection of a whole test set.

    Args:
        results: N dicts ``bboxes`` (n, 5), ``feats`` {name: (n, D)} and, by wish, ``img_name``.
            With ``query_feature='gt_box'`` the images of queries also have ``query_boxes`` (k, 4)
            x1 y1 x2 y2 and ``query_feats`` {name: (k, D)}.
        image_names: N names, in the order of the results.
        protocols: one or several.
        gts: N dicts ``bboxes`` (m, 4) and ``gt_pids`` (m,), for the detection numbers; None leaves
            them out.
        options: how the search is evaluated.
        ranking_file: write per-query AP, ranks and top-10 boxes to this ``.npz``; see
            :func:`load_rankings`.

    Returns:
        The report; see this module's head.

    Raises:
        ValueError: for results of another dataset or with arrays that do not fit together (naming
            the image).
        KeyError: where an image of a protocol, or a query's feature, is not among the results.
    """
    protocols = [protocols] if isinstance(protocols, SearchProtocol) else protocols
    names = check_results(results, image_names)
    given_boxes, given_feats = [[part[key] for part in results] for key in ('bboxes', 'feats')]
    bboxes, feats = _features(image_names, given_boxes, given_feats, names, 5)
    detection = None
    if gts is not None:
        truths, pids = [gt['bboxes'] for gt in gts], [gt['gt_pids'] for gt in gts]
        detection = evaluate_detection(truths, pids, bboxes, image_names=image_names)
    rows: list[dict[str, Any]] = []
    rankings = []
    for protocol in protocols:
        given = None
        if options.query_feature == 'gt_box':
            given = _query_features(results, image_names, names, protocol)
        for feature in feats:
            query_feats = None if given is None else given[feature]
            ranking, found = search(
                protocol, image_names, bboxes, feats[feature], options, query_feats, feature
            )
            rankings.append(ranking)
            counts = len(found), (~found).sum(), (np.diff(ranking.gt_indptr) == 0).sum()
            head = {'feature': feature, 'protocol': protocol.name, **ranking.metrics()}
            rows.append(head | dict(zip(_COUNTS, map(int, counts), strict=True)))
    if ranking_file:
        save_rankings(ranking_file, rankings)
    return {'search': rows, 'detection': detection, 'settings': asdict(options)}


def check_results(results: Sequence[Result], image_names: Sequence[str]) -> list[str]:
    """Check that the results are those of these images, and return the names of the features.

    Raises:
        ValueError: for another number of images, other names, missing keys or other features.
    """
    other = 'the results belong to another dataset or split'
    if len(results) != len(image_names):
        raise ValueError(f'{len(results)} results for {len(image_names)} images: {other}')
    if not results:
        raise ValueError('no results: the test set is empty')
    for i, (result, name) in enumerate(zip(results, image_names, strict=True)):
        if not isinstance(result, Mapping) or {'bboxes', 'feats'} - set(result):
            raise ValueError(
                f'result {i} ({name}) has no bboxes and feats: not a person search result'
            )
        if result.get('img_name', name) != name:
            what = f'result {i} is of {result["img_name"]}'
            raise ValueError(f'{what}, but image {i} of the dataset is {name}: {other}')
        names, first = list(result['feats']), list(results[0]['feats'])
        if not names or names != first:
            raise ValueError(f'{name} has the features {names}, {image_names[0]} has {first}')
    return list(results[0]['feats'])


def _features(
    image_names: Sequence[str],
    bboxes: Sequence[np.ndarray],
    feats: Sequence[Mapping[str, np.ndarray]],
    names: Sequence[str],
    columns: int,
) -> tuple[list[np.ndarray], dict[str, list[np.ndarray]]]:
    """Checked boxes of N images; by name their features and, of several, the concatenation."""
    found = {}
    for name in names:
        rows = [parts.get(name, np.zeros((0, 0))) for parts in feats]
        boxes, found[name] = check_detections(image_names, bboxes, rows, columns)
    if len(names) > 1:
        found[CONCATENATION] = [
            np.concatenate([unit(part) for part in parts], axis=1).astype(np.float32)
            for parts in zip(*found.values(), strict=True)
        ]
    return boxes, found


def _query_features(
    results: Sequence[Result],
    image_names: Sequence[str],
    names: Sequence[str],
    protocol: SearchProtocol,
) -> dict[str, np.ndarray]:
    """(Q, D) features of the query boxes by name, from the results of the queries' images."""
    labels = [f'{name}, query_boxes' for name in image_names]
    boxes = [np.asarray(result.get('query_boxes', ()))[..., :4] for result in results]
    rows = [result.get('query_feats', {}) for result in results]
    given, feats = _features(labels, boxes, rows, names, 4)
    images = {name: i for i, name in enumerate(image_names)}
    places = []
    for query, name in enumerate(protocol.query_names):
        here = given[images[name]] if name in images else np.zeros((0, 4))
        distance = np.abs(here - protocol.query_boxes[query])
        # Query boxes are whole pixels here and may be fractions where the network was given them.
        near = np.flatnonzero((distance < 1).all(axis=1))
        if len(near) == 0:
            raise KeyError(
                f'query {query} of protocol {protocol.name} ({name}) has no feature for its box '
                f'{protocol.query_boxes[query].tolist()}: test again with --query-feature gt_box'
            )
        places.append((images[name], near[distance[near].sum(axis=1).argmin()]))
    return {name: np.stack([rows[i][k] for i, k in places]) for name, rows in feats.items()}


def summarize(report: Mapping[str, Any]) -> dict[str, float]:
    """Flat numbers for logs and for choosing the best checkpoint.

    ``mAP``, ``top1``, ``top5``, ``top10`` are those of the first protocol with the concatenation
    (or the only feature); further rows follow as ``<protocol>/<feature>/mAP`` and ``.../top1``,
    detection as ``det_recall``, ``det_AP``, ``det_recall_labelled``, ``det_AP_labelled``.
    """
    numbers = {}
    rows = report['search']
    if rows:
        main = main_row(report)
        numbers.update({key: float(main[key]) for key in _METRICS})
        if len(rows) > 1:
            for row in rows:
                for key in ('mAP', 'top1'):
                    numbers[f'{row["protocol"]}/{row["feature"]}/{key}'] = float(row[key])
    for key, value in (report['detection'] or {}).items():
        numbers[f'det_{key}'] = float(value)
    return numbers


def main_row(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row of the first protocol with the concatenation, or with the only feature."""
    first = report['search'][0]['protocol']
    return [row for row in report['search'] if row['protocol'] == first][-1]


def format_table(report: Mapping[str, Any]) -> str:
    """The report as text: percent, one line a feature and protocol, then detection."""
    lines = [('protocol', 'feature', *_METRICS)] if report['search'] else []
    for row in report['search']:
        numbers = [f'{100 * row[key]:.2f}' for key in _METRICS]
        lines.append((row['protocol'], row['feature'], *numbers))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = []
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        text.append('  '.join([line[0].ljust(widths[0]), line[1].ljust(widths[1]), *cells[2:]]))
    for row in report['search']:
        for key, why in (
            ('queries_without_detection', 'have no detection to search with'),
            ('queries_without_ground_truth', 'have nobody to find in their gallery'),
        ):
            note = f'{row["protocol"]}: {row[key]} of {row["num_queries"]} queries {why} (AP 0)'
            if row[key] and note not in text:
                text.append(note)
    if report['detection']:
        for who, suffix in (('all people:     ', ''), ('labelled people:', '_labelled')):
            recall, ap = (100 * report['detection'][key + suffix] for key in ('recall', 'AP'))
            text.append(f'detection, {who} recall {recall:.2f}  AP {ap:.2f}')
    return '\n'.join(text)


def write_json(report: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write the report as json, whole or not at all."""
    with atomic_write(path, 'w') as stream:
        stream.write(json.dumps(report, indent=2) + '\n')


def write_csv(report: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write the search rows as comma-separated values, the detection numbers repeated in each."""
    detection = {f'det_{key}': value for key, value in (report['detection'] or {}).items()}
    text = io.StringIO()
    writer = csv.DictWriter(
        text, ['protocol', 'feature', *_METRICS, *_COUNTS, *detection], lineterminator='\n'
    )
    writer.writeheader()
    for row in report['search'] or [{}]:
        writer.writerow({**row, **detection})
    with atomic_write(path, 'w') as stream:
        stream.write(text.getvalue())
