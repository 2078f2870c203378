"""The runs behind the paper's tables: which a table needs, and the commands of each.

A table is a folder of ``configs/ablations``: ``table.py`` lists its rows, ``ROW_DATASET.py`` is the
config of each that trains a model. A run is one training and the test after it; rows of equal
configs, in one table or in several, share their runs, since a run's folder is named by what its
config says.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from mmcv import Config

from mmdet_ps.apis import load_config

from .table import METRICS, ROOT, Row, Run, Table

# Datasets, and how the names of their configs end.
DATASETS = {'cuhk_sysu': 'cuhk', 'prw': 'prw', 'synthetic': 'synthetic'}
# Of a training on synthetic data, where no other number is asked for.
SYNTHETIC_ITERATIONS = 300
# What a config holds beside training and test: where things go and how often they are told.
_UNTRAINED = ('work_dir', 'log_config', 'log_level', 'checkpoint_config', 'table', 'gpu_ids')
# Entries of a row that is not a training of its own.
_DERIVED = {'join', 'of', 'quoted', 'retest'}


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
    kept = {part for entry in entries.rows.values() for part in entry.get('join', [])}
    kept |= {entry.retest for entry in entries.rows.values() if 'retest' in entry}
    runs: dict[str, tuple[Run, ...]] = {}
    for row, entry in entries.rows.items():
        if not _DERIVED & entry.keys():
            own = settings
            if settings.iterations is not None:
                own = replace(
                    settings, iterations=round(settings.iterations / entry.get('time', 1))
                )
            runs[row] = tuple(
                replace(_run(_leaf(folder, row, settings), own, seed), keep_results=row in kept)
                for seed in range(seeds)
            )
    for row, entry in entries.rows.items():
        if 'of' in entry:
            runs[row] = runs[entry.of]
        elif 'quoted' in entry:
            runs[row] = ()
        elif 'retest' in entry:
            config = _leaf(folder, row, settings)
            runs[row] = tuple(_retest(config, part) for part in runs[entry.retest])
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


def _leaf(folder: Path, row: str, settings: Settings) -> Path:
    return folder / f'{row}_{DATASETS[settings.dataset]}.py'


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
        name=_row_name(config),
        config=config,
        seed=seed,
        folder=settings.work_dir / settings.dataset / key / f'seed{seed}',
        options=tuple(options),
        scale_lr=batch != base,
        gpus=settings.gpus,
    )


def _retest(config: Path, part: Run) -> Run:
    """Evaluate the results of a run as another config says."""
    key = f'{part.folder.parent.name}-{fingerprint(_config(config), 0, None)}'
    folder = part.folder.parents[1] / key / part.folder.name
    return Run(_row_name(config), config, part.seed, folder, parts=(part,))


def _row_name(config: Path) -> str:
    return f'{config.parent.name}/{config.stem.rsplit("_", 1)[0]}'


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
    cfg = _config(table.run_rows[0].runs[0].config)
    for split in (cfg.data.train, cfg.data.test):
        path = Path(split.get('data_root') or '') / split.ann_file
        if not path.is_file():
            raise FileNotFoundError(
                f'{path}: no such file; data/README.md says how the dataset is made, and paths '
                'count from the folder that the tool is started in'
            )
