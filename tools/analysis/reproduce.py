"""Train and test the rows of the paper's tables that have no result yet, and print the tables."""

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmdet_ps.utils.cli import run_tool

EPILOG = """
A finished run is never repeated, and one that was interrupted goes on from its last checkpoint:
start the same command again. Rows of equal configs, in one table or in several, share their runs.
Two of these tools may work in one --work-dir at once; a run that the other is at is left for last.
"""


def count(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of at least 1')
    return int(text)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG)
    parser.add_argument('tables', nargs='+', metavar='TABLE', help='fig6, table1, ... table8')
    parser.add_argument('--dataset', required=True, choices=['cuhk_sysu', 'prw', 'synthetic'])
    parser.add_argument('--rows', nargs='+', metavar='ROW', help='only these; all by default')
    parser.add_argument('--seeds', type=count, default=1, metavar='N', help='runs of each row (1)')
    parser.add_argument('--gpus', type=count, default=1, metavar='N', help='processes of a run (1)')
    parser.add_argument(
        '--iterations',
        type=count,
        help='length of a training on synthetic data (300); the others train as their configs say',
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='print the commands that are left, and do nothing'
    )
    parser.add_argument(
        '--forecast',
        action='store_true',
        help='with --dry-run: also time 20 iterations of each training that is left, and print '
        'the hours that it would take here',
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/reproduce'))
    parser.add_argument('--out', type=Path, help='folder of the tables; that of --work-dir')
    args = parser.parse_args()
    if args.iterations and args.dataset != 'synthetic':
        parser.error('--iterations is for --dataset synthetic')
    if args.forecast and not args.dry_run:
        parser.error('--forecast goes with --dry-run')
    return args


def say(text: str) -> None:
    """Print with the time of day, at once."""
    print(f'[{time.strftime("%H:%M:%S")}] {text}', flush=True)


def stop(number: int, frame: object) -> None:
    """End as an interrupt from the keyboard does, so that no program is left running."""
    raise KeyboardInterrupt


def main() -> None:
    """Plan, run what is left, and write the tables."""
    args = parse_args()
    from mmdet_ps.reproduce.plan import (
        SYNTHETIC_ITERATIONS,
        Settings,
        check_data,
        plan,
        table_folder,
    )
    from mmdet_ps.reproduce.report import summarize_table, to_markdown, write_reports

    iterations = args.iterations
    if args.dataset == 'synthetic' and iterations is None:
        iterations = SYNTHETIC_ITERATIONS
    settings = Settings(args.dataset, args.work_dir, args.gpus, iterations)
    names = list(dict.fromkeys(table_folder(name).name for name in args.tables))
    tables = [plan(name, settings, args.seeds) for name in names]
    rows = {
        table.name: [table.row(name) for name in args.rows] if args.rows else table.run_rows
        for table in tables
    }
    if args.dry_run:
        print_commands(rows)
        if args.forecast:
            check_data(tables[0])
            print_forecast(rows, args.gpus)
        return
    check_data(tables[0])
    signal.signal(signal.SIGTERM, stop)
    failures: dict[str, dict[str, str]] = {table.name: {} for table in tables}

    def report(table: Any) -> dict:
        summary = summarize_table(table, settings, failures[table.name])
        write_reports(summary, args.out or args.work_dir)
        return summary

    for table in tables:
        report(table)  # A folder that takes no file is found before the hours of training.
    # Seed after seed, so that a table is complete early and becomes surer.
    left = [
        (table, row, row.runs[seed])
        for table in tables
        for seed in range(args.seeds)
        for row in rows[table.name]
    ]
    run_all(left, failures, report)
    for table in tables:
        print(f'\n{to_markdown(report(table))}', flush=True)
    if any(failures.values()):
        sys.exit(1)


def run_all(left: list[tuple], failures: dict[str, dict[str, str]], report: Callable) -> None:
    """Do what is left of runs, given with their tables and rows, and report after each.

    What another process is at comes last; a run that fails is tried once, whoever shares it.
    """
    from mmdet_ps.reproduce.runs import RunHeld, execute

    held = []
    failed: dict[Path, str] = {}
    for wait in (False, True):
        for table, row, run in left:
            failure = failed.get(run.folder)  # Of a row that shares the run.
            if not failure and run.steps():
                say(f'{run.name}, seed {run.seed}: {run.folder}')
                try:
                    failure = execute(run, wait)
                except RunHeld as elsewhere:
                    say(f'{run.name}, seed {run.seed} is left for last: {elsewhere}')
                    held.append((table, row, run))
                    continue
                if failure:
                    failed[run.folder] = failure
                    say(f'{run.name}, seed {run.seed} failed: {failure}')
            if failure:
                failures[table.name][row.name] = f'seed {run.seed}: {failure}'
            report(table)
        left = held


def print_commands(rows: dict[str, list]) -> None:
    """Print what would be run, a line a command; what rows share comes once."""
    printed: set[tuple[Path, ...]] = set()
    for row in (row for table in rows.values() for row in table):
        for run in row.runs:
            for part in (*run.parts, run):
                left = part.steps()
                new = [step for step in left if step.made not in printed]
                state = '' if new else ': above' if left else ': done'
                print(f'# {part.name}, seed {part.seed}{state}')
                for step in new:
                    print(shlex.join(step.command))
                printed.update(step.made for step in new)


def print_forecast(rows: dict[str, list], gpus: int) -> None:
    """Time every training that is left, and print what all would take."""
    from mmdet_ps.reproduce.forecast import forecast
    from mmdet_ps.utils.timing import device_name

    runs = [run for table in rows.values() for row in table for run in row.runs]
    hours = 0.0
    for found in forecast([part for run in runs for part in (*run.parts, run)]):
        hours += found.hours
        print(
            f'{found.run.name}: {found.seconds:.3f} s x {found.iterations} iterations x '
            f'{found.runs} seed(s) = {found.hours:.2f} h',
            flush=True,
        )
    print(
        f'in all {hours:.2f} h of training with --gpus {gpus} on {device_name()}; tests come on top'
    )


if __name__ == '__main__':
    run_tool(main)
