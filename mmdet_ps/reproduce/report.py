"""A table of the paper as measured: the paper's numbers, ours, and the difference.

Numbers are percent; ours are means over the seeds that are finished, with the sample standard
deviation where there are two or more.
"""

import csv
import io
import json
import statistics
from pathlib import Path
from typing import Any

from mmdet_ps.core.evaluation.report import main_row
from mmdet_ps.utils.io import atomic_write

from .plan import SYNTHETIC_ITERATIONS, Settings
from .table import METRICS, Row, Run, Table

HEADS = dict(mAP='mAP', top1='top-1', det_recall='detection recall', det_AP='detection AP')
SEARCH, DETECTION = METRICS[:2], METRICS[2:]
NOTHING = '-'


def summarize_table(table: Table, settings: Settings, failures: dict[str, str]) -> dict[str, Any]:
    """Collect what is measured of a table.

    Args:
        table: Its rows and runs.
        settings: How runs are made.
        failures: What went wrong, by the name of the row.

    Returns:
        ``table``, ``title``, ``dataset``, ``iterations``, ``reference`` and ``rows``: each row's
        ``paper`` (a number a metric, as far as the paper has it), ``about`` (whether it says so
        roughly), ``quoted`` (whether the row is the paper's alone), ``feature``, ``runs`` (numbers
        a seed), ``ours`` and ``effect`` (ours minus the reference row's, seed by seed; each metric
        ``{'mean', 'std'}`` or None), ``difference`` (ours minus the paper's, each metric a number
        or None) and ``failure``.
    """
    runs = {row.name: _measured(row) for row in table.rows}
    reference = runs[table.reference]
    rows = []
    for row in table.rows:
        measured = runs[row.name]
        both = sorted(measured.keys() & reference.keys())
        ours, effect, difference = {}, {}, {}
        for metric in METRICS:
            ours[metric] = mean = _spread([run[metric] for run in measured.values()])
            effect[metric] = _spread([measured[s][metric] - reference[s][metric] for s in both])
            said = row.paper.get(metric)
            difference[metric] = mean['mean'] - said if mean and said is not None else None
        rows.append(
            dict(
                row=row.name,
                label=row.label,
                feature=row.feature,
                paper=row.paper,
                about=row.about,
                quoted=not row.runs,
                runs=list(measured.values()),
                ours=ours,
                difference=difference,
                effect=None if row.name == table.reference else effect,
                failure=failures.get(row.name),
            )
        )
    return dict(
        table=table.name,
        title=table.title,
        dataset=settings.dataset,
        iterations=settings.iterations,
        reference=table.reference,
        rows=rows,
    )


def _measured(row: Row) -> dict[int, dict[str, Any]]:
    """What a row's finished runs measured, by seed."""
    numbers = (_numbers(run, row.feature) for run in row.runs)
    return {run['seed']: run for run in numbers if run}


def _numbers(run: Run, feature: str | None) -> dict[str, Any] | None:
    """What one run measured with a feature, in percent.

    Raises:
        ValueError: Its model has no such feature.
    """
    report = run.report()
    if report is None:
        return None
    main = main_row(report)
    rows = {row['feature']: row for row in report['search'] if row['protocol'] == main['protocol']}
    feature = feature or main['feature']
    if feature not in rows:
        raise ValueError(f'{run.result}: has no feature {feature!r}, only {", ".join(rows)}')
    trained = json.loads(run.trained.read_text()) if run.trained.exists() else {}
    return dict(
        seed=run.seed,
        feature=feature,
        protocol=main['protocol'],
        **{metric: 100 * rows[feature][metric] for metric in SEARCH},
        **{metric: 100 * report['detection'][metric.removeprefix('det_')] for metric in DETECTION},
        training_seconds=trained.get('seconds'),
        training_gpus=trained.get('gpus', 1),
        folder=str(run.folder),
    )


def _spread(values: list[float]) -> dict[str, float | None] | None:
    if not values:
        return None
    std = statistics.stdev(values) if len(values) > 1 else None
    return dict(mean=statistics.fmean(values), std=std)


def _cell(value: dict | float | None, sign: str = '', about: bool = False) -> str:
    """A number, or a mean with its spread, to one decimal."""
    if value is None:
        return NOTHING
    if not isinstance(value, dict):
        return f'{"~" if about else ""}{value:{sign}.1f}'
    spread = '' if value['std'] is None else f' ± {value["std"]:.1f}'
    return f'{value["mean"]:{sign}.1f}{spread}'


def columns(summary: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Lay a summary out as text: the head, and one list of cells a row."""
    against = f'against {summary["reference"]}'
    kinds: dict[str, list[str]] = {metric: ['paper', 'ours', 'difference'] for metric in METRICS}
    for metric in SEARCH:
        kinds[metric].append(against)
    for metric in DETECTION:
        if not any(metric in row['paper'] for row in summary['rows']):
            kinds[metric] = ['ours']
    head = ['row', *(f'{HEADS[metric]} {kind}' for metric in METRICS for kind in kinds[metric])]
    lines = []
    for row in summary['rows']:
        line = [row['label']]
        for metric in METRICS:
            cells = {
                'paper': _cell(row['paper'].get(metric), about=row['about']),
                'ours': _cell(row['ours'][metric]),
                'difference': _cell(row['difference'][metric], '+'),
                against: _cell(row['effect'] and row['effect'][metric], '+'),
            }
            line += [cells[kind] for kind in kinds[metric]]
        seeds = 'quoted' if row['quoted'] else str(len(row['runs']))
        lines.append([*line, 'failed' if row['failure'] else seeds])
    return [*head, 'seeds'], lines


def to_markdown(summary: dict[str, Any]) -> str:
    """Write a summary as a Markdown table, with what it was made from and what failed."""
    head, lines = columns(summary)
    length = f', {summary["iterations"]} iterations' if summary['iterations'] else ''
    text = [f'### {summary["title"]} ({summary["dataset"]}{length})', '']
    text += [f'| {" | ".join(line)} |' for line in (head, ['---'] * len(head), *lines)]
    text.append('')
    if any(row['about'] for row in summary['rows']):
        text += ['~: not in a table or figure, but worked out from what the text says.', '']
    if any(row['quoted'] for row in summary['rows']):
        text += ['quoted: the number of the paper; such a model is not built here.', '']
    done = {run['folder']: run for row in summary['rows'] for run in row['runs']}
    timed = [run for run in done.values() if run['training_seconds']]
    for gpus in sorted({run['training_gpus'] for run in timed}):
        times = [run['training_seconds'] for run in timed if run['training_gpus'] == gpus]
        text += [
            f'Training took {statistics.fmean(times) / 60:.1f} minutes a run '
            f'({min(times) / 60:.1f} - {max(times) / 60:.1f}, {len(times)} runs) '
            f'with --gpus {gpus}, {sum(times) * gpus / 3600:.1f} process hours in all.',
            '',
        ]
    text += [f'{row["label"]}: {row["failure"]}\n' for row in summary['rows'] if row['failure']]
    return '\n'.join(text)


def write_reports(summary: dict[str, Any], folder: Path) -> Path:
    """Write a summary as Markdown, CSV and JSON, each whole or not at all.

    Returns:
        The Markdown file.
    """
    stem = f'{summary["table"]}_{summary["dataset"]}'
    if summary['iterations'] not in (None, SYNTHETIC_ITERATIONS):
        stem += f'_{summary["iterations"]}'
    table = io.StringIO()
    head, lines = columns(summary)
    csv.writer(table, lineterminator='\n').writerows([head, *lines])
    texts = {
        '.md': to_markdown(summary),
        '.csv': table.getvalue(),
        '.json': json.dumps(summary, indent=2) + '\n',
    }
    for suffix, text in texts.items():
        with atomic_write(folder / f'{stem}{suffix}', 'w') as stream:
            stream.write(text)
    return folder / f'{stem}.md'
