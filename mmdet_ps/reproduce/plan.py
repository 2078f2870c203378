"""The runs behind the paper's tables: which a table needs, and the commands of each.

A table is a folder of ``configs/ablations``: ``table.py`` lists its rows, ``ROW_DATASET.py`` is the
config of each that trains a model. A run is one training and the test after it; rows of equal
configs, in one table or in several, share their runs, since a run's folder is named by what its
config says.
"""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from mmcv import Config

from mmdet_ps.apis import load_config

ROOT = Path(__file__).parents[2]
# Datasets, and how the names of their configs end.
DATASETS = {'cuhk_sysu': 'cuhk', 'prw': 'prw', 'synthetic': 'synthetic'}
# What the paper's tables say of a model, in the order in which a row's `paper` entry lists it.
METRICS = ('mAP', 'top1', 'det_recall', 'det_AP')
# Of a training on synthetic data, where no other number is asked for.
SYNTHETIC_ITERATIONS = 300
# What a config holds beside training and test: where things go and how often they are told.
_UNTRAINED = ('work_dir', 'log_config', 'log_level', 'checkpoint_config', 'table', 'gpu_ids')


@dataclass(frozen=True)
class Settings:
    """How runs are made.

    Attributes:
        dataset: One of `DATASETS`.
        work_dir: Where runs go.
        gpus: Processes of a run; the batch of the config is shared out among them.
        iterations: Of a training; None for the epochs of the config.
    """

    dataset: str
    work_dir: Path
    gpus: int = 1
    iterations: int | None = None


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
    """One training and its test, or the join of two tests.

    Attributes:
        name: Row that asks for it, ``TABLE/ROW``.
        config: The row's config file.
        seed: Of all random numbers.
        folder: Where its files go.
        options: Overrides for training, ``KEY=VALUE``.
        scale_lr: Whether the batch is not the one that the learning rate belongs to.
        gpus: Processes.
        keep_results: Whether a join needs the boxes and features of this run's test.
        parts: The two runs whose results are joined; empty for a training.
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
        return self.folder / 'results.npz'

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
        runs: One a seed; rows may share theirs.
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

    def row(self, name: str) -> Row:
        """Find a row.

        Raises:
            KeyError: No such row.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(
            f'--rows {name}: {self.name} has no such row; it has '
            f'{", ".join(row.name for row in self.rows)}'
        )


def _short(path: Path) -> str:
    """A path as it is typed where the tool was started."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _python(tool: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, _short(ROOT / tool), *map(str, arguments))


def _shell(tool: str, *arguments: object) -> tuple[str, ...]:
    return ('bash', _short(ROOT / tool), *map(str, arguments))


def table_folder(name: str) -> Path:
    """Find a table's folder by its name or the name's first part, ``table2`` say.

    Raises:
        KeyError: No such table.
    """
    folders = sorted(path.parent for path in (ROOT / 'configs/ablations').glob('*/table.py'))
    for folder in folders:
        if name in (folder.name, folder.name.split('_')[0]):
            return folder
    raise KeyError(f'no table {name!r}; there are {", ".join(f.name for f in folders)}')


def plan(name: str, settings: Settings, seeds: int = 1) -> Table:
    """List the rows of a table and their runs.

    Args:
        name: The table's, as in `table_folder`.
        settings: How runs are made.
        seeds: Runs of each row, with seeds 0, 1, ...

    Returns:
        The table; nothing is run or written.

    Raises:
        KeyError: No such table.
        FileNotFoundError: A row without a config for this dataset.
    """
    folder = table_folder(name)
    entries = Config.fromfile(str(folder / 'table.py')).table
    joined = {part for entry in entries.rows.values() for part in entry.get('join', [])}
    runs: dict[str, tuple[Run, ...]] = {}
    for row, entry in entries.rows.items():
        if 'join' not in entry and 'of' not in entry:
            config = folder / f'{row}_{DATASETS[settings.dataset]}.py'
            runs[row] = tuple(
                replace(_run(config, settings, seed), keep_results=row in joined)
                for seed in range(seeds)
            )
    for row, entry in entries.rows.items():
        if 'of' in entry:
            runs[row] = runs[entry.of]
        elif 'join' in entry:
            pairs = zip(*(runs[part] for part in entry.join), strict=True)
            runs[row] = tuple(_join(f'{folder.name}/{row}', parts) for parts in pairs)
    return Table(
        name=folder.name,
        title=entries.title,
        reference=entries.reference,
        rows=tuple(
            Row(
                name=row,
                label=entry.label,
                paper=_numbers(entry.get('paper', {}).get(settings.dataset, ())),
                about=entry.get('about', False),
                feature=entry.get('feature'),
                runs=runs[row],
            )
            for row, entry in entries.rows.items()
        ),
    )


def _numbers(paper: Sequence[float]) -> dict[str, float]:
    return dict(zip(METRICS, paper, strict=False))  # Most tables state the first two alone.


@cache
def _config(path: Path) -> Config:
    return load_config(path)


def _run(config: Path, settings: Settings, seed: int) -> Run:
    cfg = _config(config)
    base = cfg.auto_scale_lr.base_batch_size
    share = max(base // settings.gpus, 1)
    batch = share * settings.gpus
    options = [] if share == cfg.data.samples_per_gpu else [f'data.samples_per_gpu={share}']
    if settings.iterations is not None:
        options += [
            'runner.max_epochs=None',
            f'runner.max_iters={settings.iterations}',
            'checkpoint_config.by_epoch=False',
            f'checkpoint_config.interval={max(settings.iterations // 3, 1)}',
            'checkpoint_config.max_keep_ckpts=1',
        ]
    key = fingerprint(cfg, batch, settings.iterations)
    return Run(
        name=f'{config.parent.name}/{config.stem.rsplit("_", 1)[0]}',
        config=config,
        seed=seed,
        folder=settings.work_dir / settings.dataset / key / f'seed{seed}',
        options=tuple(options),
        scale_lr=batch != base,
        gpus=settings.gpus,
    )


def _join(name: str, parts: tuple[Run, ...]) -> Run:
    key = '-'.join(part.folder.parent.name for part in parts)
    folder = parts[0].folder.parents[1] / key / parts[0].folder.name
    return Run(name, parts[0].config, parts[0].seed, folder, parts=parts)


def fingerprint(cfg: Config, batch: int, iterations: int | None) -> str:
    """Name a training by all that it depends on but the seed.

    Args:
        cfg: The row's config.
        batch: Pictures of a step, over all processes.
        iterations: Of the training; None for the config's epochs.

    Returns:
        12 hexadecimal digits.
    """
    content = {key: value for key, value in cfg._cfg_dict.items() if key not in _UNTRAINED}
    content['data'] = {
        key: value
        for key, value in content['data'].items()
        if key not in ('samples_per_gpu', 'workers_per_gpu', 'persistent_workers')
    }
    text = json.dumps([content, batch, iterations], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def check_data(table: Table) -> None:
    """Look for the dataset before the first of many runs.

    Raises:
        FileNotFoundError: An annotation file is missing.
    """
    cfg = _config(table.rows[0].runs[0].config)
    for split in (cfg.data.train, cfg.data.test):
        path = Path(split.get('data_root') or '') / split.ann_file
        if not path.is_file():
            raise FileNotFoundError(
                f'{path}: no such file; data/README.md says how the dataset is made, and paths '
                'count from the folder that the tool is started in'
            )
