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

from .plan import SYNTHETIC_ITERATIONS, Run, Settings, Table

METRICS = ('mAP', 'top1')
NOTHING = '-'


def summarize_table(table: Table, settings: Settings, failures: dict[str, str]) -> dict[str, Any]:
    """Collect what is measured of a table.

    Args:
        table: Its rows and runs.
        settings: How runs are made.
        failures: What went wrong, by the name of the row.

    Returns:
        ``table``, ``title``, ``dataset``, ``iterations``, ``reference`` and ``rows``: each row's
        ``paper`` (``{'mAP', 'top1'}`` or None), ``runs`` (numbers a seed), ``ours`` and ``effect``
        (ours minus the reference row's, seed by seed; each metric ``{'mean', 'std'}`` or None),
        ``difference`` (ours minus the paper's, each metric a number or None) and ``failure``.
    """
    runs = {
        row.name: {run['seed']: run for run in map(_numbers, row.runs) if run} for row in table.rows
    }
    reference = runs[table.reference]
    rows = []
    for row in table.rows:
        measured = runs[row.name]
        both = sorted(measured.keys() & reference.keys())
        ours, effect = {}, {}
        for metric in (*METRICS, 'det_AP'):
            ours[metric] = _spread([run[metric] for run in measured.values()])
            effect[metric] = _spread([measured[s][metric] - reference[s][metric] for s in both])
        paper = dict(zip(METRICS, row.paper, strict=True)) if row.paper else None
        rows.append(
            dict(
                row=row.name,
                label=row.label,
                paper=paper,
                runs=list(measured.values()),
                ours=ours,
                difference={
                    metric: ours[metric]['mean'] - paper[metric] if paper and ours[metric] else None
                    for metric in METRICS
                },
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


def _numbers(run: Run) -> dict[str, Any] | None:
    """What one run measured, in percent."""
    report = run.report()
    if report is None:
        return None
    row = main_row(report)
    trained = json.loads(run.trained.read_text()) if run.trained.exists() else {}
    return dict(
        seed=run.seed,
        feature=row['feature'],
        protocol=row['protocol'],
        **{metric: 100 * row[metric] for metric in METRICS},
        det_AP=100 * report['detection']['AP'],
        det_recall=100 * report['detection']['recall'],
        by_feature={
            entry['feature']: {metric: 100 * entry[metric] for metric in METRICS}
            for entry in report['search']
            if entry['protocol'] == row['protocol']
        },
        training_seconds=trained.get('seconds'),
        training_gpus=trained.get('gpus', 1),
        folder=str(run.folder),
    )


def _spread(values: list[float]) -> dict[str, float | None] | None:
    if not values:
        return None
    std = statistics.stdev(values) if len(values) > 1 else None
    return dict(mean=statistics.fmean(values), std=std)


def _cell(value: dict | float | None, sign: str = '') -> str:
    """A number, or a mean with its spread, to one decimal."""
    if value is None:
        return NOTHING
    if not isinstance(value, dict):
        return f'{value:{sign}.1f}'
    spread = '' if value['std'] is None else f' ± {value["std"]:.1f}'
    return f'{value["mean"]:{sign}.1f}{spread}'


def columns(summary: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Lay a summary out as text: the head, and one list of cells a row."""
    kinds = ('paper', 'ours', 'difference', f'against {summary["reference"]}')
    head = ['row', *(f'{metric} {kind}' for metric in ('mAP', 'top-1') for kind in kinds)]
    head += ['detection AP', 'seeds']
    lines = []
    for row in summary['rows']:
        line = [row['label']]
        for metric in METRICS:
            line += [
                _cell(row['paper'] and row['paper'][metric]),
                _cell(row['ours'][metric]),
                _cell(row['difference'][metric], '+'),
                _cell(row['effect'] and row['effect'][metric], '+'),
            ]
        seeds = 'failed' if row['failure'] else str(len(row['runs']))
        lines.append([*line, _cell(row['ours']['det_AP']), seeds])
    return head, lines


def to_markdown(summary: dict[str, Any]) -> str:
    """Write a summary as a Markdown table, with what it was made from and what failed."""
    head, lines = columns(summary)
    length = f', {summary["iterations"]} iterations' if summary['iterations'] else ''
    text = [f'### {summary["title"]} ({summary["dataset"]}{length})', '']
    text += [f'| {" | ".join(line)} |' for line in (head, ['---'] * len(head), *lines)]
    text.append('')
    timed = [run for row in summary['rows'] for run in row['runs'] if run['training_seconds']]
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
