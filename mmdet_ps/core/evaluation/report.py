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
from .detections import unit
from .options import SearchOptions
from .protocol import SearchProtocol
from .ranking_file import Ranking, save_rankings
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
    if isinstance(protocols, SearchProtocol):
        protocols = [protocols]
    names = check_results(results, image_names)
    bboxes = [np.asarray(result['bboxes']) for result in results]
    detection = None
    if gts is not None:
        detection = evaluate_detection(
            [gt['bboxes'] for gt in gts],
            [gt['gt_pids'] for gt in gts],
            bboxes,
            image_names=image_names,
        )
    rows: list[dict[str, Any]] = []
    rankings = []
    for feature in names if len(names) == 1 else [*names, CONCATENATION]:
        feats = [_feature(result['feats'], feature) for result in results]
        for protocol in protocols:
            query_feats = None
            if options.query_feature == 'gt_box':
                query_feats = _query_features(results, image_names, protocol, feature)
            outcome = search(protocol, image_names, bboxes, feats, options, query_feats)
            rows.append(
                {
                    'feature': feature,
                    'protocol': protocol.name,
                    **outcome.metrics(),
                    **outcome.counts(),
                }
            )
            if ranking_file:
                rankings.append(Ranking.of(feature, protocol, options.similarity, outcome))
    order = {protocol.name: i for i, protocol in enumerate(protocols)}
    rows.sort(key=lambda row: order[row['protocol']])
    if ranking_file:
        rankings.sort(key=lambda ranking: order[ranking.protocol])
        save_rankings(ranking_file, rankings)
    return {'search': rows, 'detection': detection, 'settings': asdict(options)}


def check_results(results: Sequence[Result], image_names: Sequence[str]) -> list[str]:
    """Check that the results are those of these images, and return the names of the features.

    Raises:
        ValueError: for another number of images, other names, missing keys or other features.
    """
    if len(results) != len(image_names):
        raise ValueError(
            f'{len(results)} results for {len(image_names)} images: '
            'the results belong to another dataset or split'
        )
    if not results:
        raise ValueError('no results: the test set is empty')
    for i, (result, name) in enumerate(zip(results, image_names, strict=True)):
        if not isinstance(result, Mapping) or {'bboxes', 'feats'} - set(result):
            raise ValueError(
                f'result {i} ({name}) has no bboxes and feats: not a person search result'
            )
        if result.get('img_name', name) != name:
            raise ValueError(
                f'result {i} is of {result["img_name"]}, but image {i} of the dataset is {name}: '
                'the results belong to another dataset or split'
            )
        if not result['feats'] or list(result['feats']) != list(results[0]['feats']):
            raise ValueError(
                f'{name} has the features {list(result["feats"])}, '
                f'{image_names[0]} has {list(results[0]["feats"])}'
            )
    return list(results[0]['feats'])


def _feature(feats: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Feature ``name``, or the concatenation of all, each normalised, (n, D)."""
    if name != CONCATENATION or name in feats:
        return np.asarray(feats[name])
    parts = [np.asarray(part) for part in feats.values()]
    if len({len(part) for part in parts}) != 1:
        raise ValueError(f'features of different lengths: {[part.shape for part in parts]}')
    parts = [part if part.ndim == 2 else part.reshape(len(part), -1) for part in parts]
    return np.concatenate([unit(part) for part in parts], axis=1).astype(np.float32)


def _query_features(
    results: Sequence[Result],
    image_names: Sequence[str],
    protocol: SearchProtocol,
    feature: str,
) -> np.ndarray:
    """(Q, D) features of the query boxes, from the results of the queries' images."""
    places = {name: i for i, name in enumerate(image_names)}
    rows = []
    for query, (name, box) in enumerate(
        zip(protocol.query_names, protocol.query_boxes, strict=True)
    ):
        where = f'query {query} of protocol {protocol.name} ({name})'
        if name not in places:
            raise KeyError(f'{where} is not among the results: were they made on another dataset?')
        result = results[places[name]]
        given = np.asarray(result.get('query_boxes', ())).reshape(-1, 4)
        # Query boxes are whole pixels here and may be fractions where the network was given them.
        near = np.flatnonzero((np.abs(given - box) < 1).all(axis=1))
        if len(near) == 0:
            raise KeyError(
                f'{where} has no feature for its box {box.tolist()}: '
                'test again with --query-feature gt_box'
            )
        distance = np.abs(given[near] - box).sum(axis=1)
        rows.append(_feature(result['query_feats'], feature)[near[distance.argmin()]])
    return np.stack(rows)


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
    head = ('protocol', 'feature', *_METRICS)
    lines = [head]
    for row in report['search']:
        numbers = [f'{100 * row[key]:.2f}' for key in _METRICS]
        lines.append((row['protocol'], row['feature'], *numbers))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = []
    for line in lines if report['search'] else []:
        left = [cell.ljust(width) for cell, width in zip(line[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(line[2:], widths[2:], strict=True)]
        text.append('  '.join(left + right))
    told = set()
    for row in report['search']:
        for key, why in (
            ('queries_without_detection', 'have no detection to search with'),
            ('queries_without_ground_truth', 'have nobody to find in their gallery'),
        ):
            note = f'{row["protocol"]}: {row[key]} of {row["num_queries"]} queries {why} (AP 0)'
            if row[key] and note not in told:
                told.add(note)
                text.append(note)
    if report['detection']:
        found = {key: f'{100 * value:.2f}' for key, value in report['detection'].items()}
        text.append(f'detection, all people:      recall {found["recall"]}  AP {found["AP"]}')
        text.append(
            f'detection, labelled people: recall {found["recall_labelled"]}  '
            f'AP {found["AP_labelled"]}'
        )
    return '\n'.join(text)


def write_json(report: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write the report as json, whole or not at all."""
    with atomic_write(path, 'w') as stream:
        json.dump(report, stream, indent=2)
        stream.write('\n')


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
