"""A table of the paper as runs: its rows, and the commands of each run."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What the paper's tables say of a model, in the order in which a row's `paper` entry lists it.
METRICS = ('mAP', 'top1', 'det_recall', 'det_AP')


@dataclass(frozen=True)
class Step:
    """A command of a run, and the files that say that it is done."""

    title: str
    command: tuple[str, ...]
    made: tuple[Path, ...]

    @property
    def done(self) -> bool:
        """Whether everything that it makes is there."""
        return all(path.exists() for path in self.made)


@dataclass(frozen=True)
class Run:
    """One training and its test, the join of two tests, or another evaluation of one.

    Attributes:
        name: Row that asks for it, ``TABLE/ROW``.
        config: The row's config file.
        seed: Of all random numbers.
        folder: Where its files go.
        options: Overrides for training, ``KEY=VALUE``.
        scale_lr: Whether the batch is not the one that the learning rate belongs to.
        gpus: Processes.
        keep_results: Whether another run needs the boxes and features of this run's test.
        parts: The two runs whose results are joined, or the one whose results are evaluated as
            ``config`` says; empty for a training.
    """

    name: str
    config: Path
    seed: int
    folder: Path
    options: tuple[str, ...] = ()
    scale_lr: bool = False
    gpus: int = 1
    keep_results: bool = False
    parts: tuple['Run', ...] = ()

    @property
    def result(self) -> Path:
        """The numbers, as ``tools/test_ps.py --json`` writes them, once the run is finished."""
        return self.folder / 'result.json'

    @property
    def results(self) -> Path:
        """Boxes and features of every test picture, where they are kept."""
        return self.parts[0].results if len(self.parts) == 1 else self.folder / 'results.npz'

    @property
    def trained(self) -> Path:
        """Written when the training has ended: its seconds, None where it was interrupted."""
        return self.folder / 'trained.json'

    def report(self) -> dict | None:
        """Read the numbers, None before there are any.

        Raises:
            ValueError: The file is not what a test writes.
        """
        if not self.result.exists():
            return None
        try:
            return json.loads(self.result.read_text())
        except ValueError:
            raise ValueError(
                f'{self.result}: not a whole result; remove it, and the run is tested again'
            ) from None

    def steps(self) -> list[Step]:
        """List the commands that are left to do."""
        made = (self.result, self.results) if self.keep_results else (self.result,)
        last = Step('testing', self._test_command(), made)
        if last.done:
            return []
        if len(self.parts) == 1:
            return [last]
        return [step for step in (self._first_step(), last) if not step.done]

    def _first_step(self) -> Step:
        if self.parts:
            command = _python('tools/analysis/join_results.py', *(r.results for r in self.parts))
            return Step('joining', (*command, '--out', str(self.results)), (self.results,))
        arguments = ['--work-dir', self.folder, '--seed', self.seed]
        arguments += ['--auto-resume', '--no-validate']
        arguments += ['--auto-scale-lr'] if self.scale_lr else []
        arguments += ['--cfg-options', *self.options] if self.options else []
        if self.gpus == 1:
            command = _python('tools/train.py', _short(self.config), *arguments)
        else:
            command = _shell('tools/dist_train.sh', _short(self.config), self.gpus, *arguments)
        return Step('training', command, (self.trained, self.folder / 'latest.pth'))

    def _test_command(self) -> tuple[str, ...]:
        config, checkpoint = _short(self.config), self.folder / 'latest.pth'
        to_json = ['--json', self.result]
        if self.parts:
            return _python('tools/test_ps.py', config, '--results', self.results, *to_json)
        arguments = [*to_json, *(['--out', self.results] if self.keep_results else [])]
        if self.gpus == 1:
            return _python('tools/test_ps.py', config, checkpoint, *arguments)
        return _shell('tools/dist_test.sh', config, checkpoint, self.gpus, *arguments)


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: In commands.
        label: In the table.
        paper: The paper's numbers in percent, by their name in `METRICS`; empty where it has none.
        about: Whether they are said in the paper's text, roughly.
        feature: Whose numbers these are of a model with several features; None for the
            concatenation, or the only feature.
        runs: One a seed; rows may share theirs. None where the row is the paper's alone, quoted.
    """

    name: str
    label: str
    paper: dict[str, float]
    about: bool
    feature: str | None
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Table:
    """A table of the paper on one dataset; rows are held against the one named ``reference``."""

    name: str
    title: str
    reference: str
    rows: tuple[Row, ...]

    @property
    def run_rows(self) -> list[Row]:
        """The rows that are run, not quoted."""
        return [row for row in self.rows if row.runs]

    def row(self, name: str) -> Row:
        """Find a row that is run.

        Raises:
            KeyError: No such row.
            ValueError: It is quoted, so there is nothing to run.
        """
        for row in self.rows:
            if row.name == name and not row.runs:
                raise ValueError(f'--rows {name}: is quoted from the paper, there is none to run')
            if row.name == name:
                return row
        raise KeyError(
            f'--rows {name}: {self.name} has no such row; it has '
            f'{", ".join(row.name for row in self.run_rows)}'
        )


def _short(path: Path) -> str:
    """A path as it is typed where the tool was started."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _python(tool: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, _short(ROOT / tool), *map(str, arguments))


def _shell(tool: str, *arguments: object) -> tuple[str, ...]:
    return ('bash', _short(ROOT / tool), *map(str, arguments))
