"""What benchmarks of whole models share: their command line, the models, the input, the report."""

import datetime
from collections import Counter
from pathlib import Path

from mmdet_ps.utils.cli import add_cfg_options
from mmdet_ps.utils.io import check_writable
from mmdet_ps.utils.tables import format_rows, write_csv, write_json

SHAPE = (900, 1500)
# Padded to 96, three points of C5: mmcv's deformable operator takes no map below its kernel.
SMALLEST = 65
COLUMNS = {
    'model': ('model', '{}'),
    'parameters_m': ('params (M)', '{:.1f}'),
    'people': ('people', '{:.1f}'),
    'reading_median_ms': ('reading', '{:.1f}'),
    'network_median_ms': ('network', '{:.1f}'),
    'post_median_ms': ('post-proc.', '{:.1f}'),
    'whole_median_ms': ('whole (ms)', '{:.1f}'),
    'whole_min_ms': ('min', '{:.1f}'),
    'whole_max_ms': ('max', '{:.1f}'),
    'step_median_ms': ('step (ms)', '{:.1f}'),
    'step_min_ms': ('min', '{:.1f}'),
    'step_max_ms': ('max', '{:.1f}'),
    'ratio': ('ratio', '{:.2f}'),
    'before_mib': ('before (MiB)', '{:.0f}'),
    'peak_mib': ('peak (MiB)', '{:.0f}'),
}


def add_options(parser):
    """Add what tests and training steps have in common."""
    parser.add_argument('models', nargs='+', metavar='CONFIG[=CHECKPOINT]')
    parser.add_argument('--shape', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'))
    parser.add_argument('--batch', type=int, default=1, help='pictures at a time')
    parser.add_argument('--runs', type=int, default=10, help='counted runs of each model')
    parser.add_argument('--warmup', type=int, default=2, help='runs before those')
    parser.add_argument('--csv', metavar='FILE', help='write the numbers as a table')
    parser.add_argument('--json', metavar='FILE', help='write them with the time of each run')
    parser.add_argument('--trust', action='store_true', help='read checkpoints of your own')
    add_cfg_options(parser)


def check_options(args):
    """Refuse what cannot be measured or written.

    Raises:
        ValueError: for numbers out of range.
        OSError: for files that could not be written later.
    """
    if min(args.shape or SHAPE) < SMALLEST or min(args.batch, args.runs) < 1 or args.warmup < 0:
        raise ValueError(
            f'--shape {args.shape} must be from {SMALLEST} on, --batch {args.batch} and '
            f'--runs {args.runs} from 1 on, --warmup {args.warmup} from 0 on'
        )
    check_writable(args.csv, args.json)


def name_models(texts):
    """(name, config, checkpoint or None) of each CONFIG[=CHECKPOINT]; no name stands twice.

    Raises:
        FileNotFoundError: for a checkpoint that is not there.
    """
    models, seen = [], Counter()
    for text in texts:
        config, _, checkpoint = text.partition('=')
        if checkpoint and not Path(checkpoint).is_file():
            raise FileNotFoundError(f'{checkpoint}: no such checkpoint file')
        name = Path(config).stem
        seen[name] += 1
        name = f'{name} #{seen[name]}' if seen[name] > 1 else name
        models.append((name, config, checkpoint or None))
    return models


def build(cfg, checkpoint, trust):
    """The model on the device of this machine, and its parameters in millions."""
    import torch

    from mmdet_ps.apis import load_model

    torch.manual_seed(0)
    model = load_model(cfg, checkpoint, trust=trust)
    parameters = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    return model.to('cuda' if torch.cuda.is_available() else 'cpu'), parameters


def noise(shape, batch):
    """A batch as the test pipeline gives it: noise of ``shape``, padded to multiples of 32."""
    import numpy as np
    import torch

    height, width = shape
    seeded = torch.Generator().manual_seed(0)
    img = torch.zeros(batch, 3, *(-(-side // 32) * 32 for side in shape))
    img[..., :height, :width] = 50 * torch.randn(batch, 3, height, width, generator=seeded)
    meta = dict(
        img_shape=(height, width, 3),
        pad_shape=(*img.shape[2:], 3),
        scale_factor=np.ones(4, dtype=np.float32),
    )
    return img.to('cuda' if torch.cuda.is_available() else 'cpu'), [meta] * batch


def report(args, rows, measured, part, **settings):
    """Print and write the numbers.

    Args:
        args: The command line.
        rows: A dict a model, of what is known of it.
        measured: A dict a model: the seconds of each run by part.
        part: Whose median is compared with that of the first model.
        **settings: What was measured and how; they stand in each line of the csv file.
    """
    import torch

    from mmdet_ps.utils.timing import device_name, spread

    for row, lists in zip(rows, measured, strict=True):
        for name, values in lists.items():
            row.update({f'{name}_{of}_ms': round(ms, 3) for of, ms in spread(values).items()})
        row['ratio'] = round(row[f'{part}_median_ms'] / rows[0][f'{part}_median_ms'], 4)
    settings.update(
        device=device_name(),
        torch=torch.__version__,
        date=datetime.date.today().isoformat(),
        batch=args.batch,
        runs=args.runs,
    )
    if args.csv:
        write_csv([{**row, **settings} for row in rows], args.csv)
    if args.json:
        models = [dict(row, seconds=lists) for row, lists in zip(rows, measured, strict=True)]
        write_json(dict(settings=settings, models=models), args.json)
    print(', '.join(f'{key} {value}' for key, value in settings.items()))
    print(format_rows(rows, COLUMNS))
