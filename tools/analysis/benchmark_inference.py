"""Time models' tests side by side (Table IX of the paper).

All models run in turn on the same pictures, A B C A B C, so that whatever else the machine does
weighs on all of them alike. Weights are random where no checkpoint is given; people are then found
anywhere, as many as a model may give, and a RoI branch has to describe them all: ``--people`` keeps
their number to that of real pictures.

Example:
    python tools/analysis/benchmark_inference.py configs/baselines/nae_r50_prw.py
        configs/alignps/alignps_r50_prw.py=work_dirs/alignps/latest.pth --csv times.csv
"""

import argparse
from contextlib import nullcontext
from pathlib import Path

from model_benchmark import SHAPE, add_options, build, check_options, name_models, noise, report

from mmdet_ps.utils.cli import run_tool

PICTURES = ('.jpg', '.jpeg', '.png', '.bmp')


class Stopwatch:
    """Adds up the seconds in ``get_bboxes`` of a model's heads: boxes and NMS.

    Raises:
        ValueError: for a model without such a head.
    """

    def __init__(self, model):
        self.total = 0.0
        self._running = False
        heads = [module for module in model.modules() if hasattr(module, 'get_bboxes')]
        if not heads:
            raise ValueError(f'no head of {type(model).__name__} has get_bboxes to be timed')
        for head in heads:
            head.get_bboxes = self._timed(head.get_bboxes)

    def _timed(self, call):
        from mmdet_ps.utils.timing import now

        def timed(*args, **kwargs):
            if self._running:
                return call(*args, **kwargs)
            self._running, start = True, now()
            try:
                return call(*args, **kwargs)
            finally:
                self.total += now() - start
                self._running = False

        return timed


def picture_files(folder):
    """The pictures in a folder, by name.

    Raises:
        FileNotFoundError: for a folder that does not exist or has none.
    """
    files = []
    if folder.is_dir():
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not files:
        raise FileNotFoundError(f'--images {folder}: no folder with {", ".join(PICTURES)} pictures')
    return files


def picture_reader(cfg, shape, files, batch):
    """What a model reads in run ``n``: the next ``batch`` files, as its config's test does."""
    import torch

    from mmdet_ps.apis.pictures import load_pictures

    for step in cfg.data.test.pipeline:
        if shape is not None and 'img_scale' in step:
            step.img_scale = (shape[1], shape[0])
    device = 'cuda' if torch.cuda.is_available() else 'cpu'

    def read(run):
        chosen = [files[(run * batch + place) % len(files)] for place in range(batch)]
        data = load_pictures(cfg, chosen)
        return dict(data, img=[img.to(device) for img in data['img']])

    return read


def reader_of(args):
    """What gives each config its `picture_reader`, or all of them the same noise."""
    if args.images is None:
        img, metas = noise(args.shape or SHAPE, args.batch)
        return lambda cfg: lambda run: dict(img=[img], img_metas=[metas])
    files = picture_files(args.images)
    for file in files[: args.runs * args.batch]:
        # Otherwise the first model alone would wait for the disk.
        file.read_bytes()
    return lambda cfg: picture_reader(cfg, args.shape, files, args.batch)


def keep_people(cfg, most):
    """Let a model give at most so many people a picture, before anything else describes them.

    Raises:
        ValueError: for a model whose config says nothing of it.
    """
    found = cfg.model.get('test_cfg', {})
    found = found.get('rcnn', found)
    if 'max_per_img' not in found:
        raise ValueError(f'--people: {cfg.filename} has no max_per_img in model.test_cfg')
    found.max_per_img = most


def test_call(model, watch, read, context):
    """A call that tests a batch and gives seconds and people a picture."""
    import torch

    from mmdet_ps.utils.timing import now

    def call(run):
        start = now()
        data = read(run)
        ready, watch.total = now(), 0.0
        with torch.no_grad(), context():
            results = model(return_loss=False, rescale=True, **data)
        end, batch = now(), len(results)
        return dict(
            people=sum(len(result['bboxes']) for result in results) / batch,
            reading=(ready - start) / batch,
            network=(end - ready - watch.total) / batch,
            post=watch.total / batch,
            whole=(end - start) / batch,
        )

    return call


def parse_args():
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument(
        '--images',
        metavar='DIR',
        type=Path,
        help='pictures of a folder in place of noise of --shape (900 1500), from the file to the '
        "boxes in its pixels; they are resized to fit --shape, or as each config's test does",
    )
    parser.add_argument('--people', type=int, help='the most that are found in a picture')
    parser.add_argument('--fp16', action='store_true', help="mmcv's half precision (CUDA)")
    parser.add_argument(
        '--compare-operator',
        action='store_true',
        help="each model with mmcv's deformable operator besides (CPU)",
    )
    return parser.parse_args()


def main():
    """Measure, print and write."""
    args = parse_args()
    check_options(args)
    import torch
    from mmcv.runner import wrap_fp16_model

    from mmdet_ps.apis import load_config
    from mmdet_ps.models.layers import mmcv_operator_on_cpu
    from mmdet_ps.utils.timing import in_turn

    if args.people is not None and args.people < 1:
        raise ValueError(f'--people {args.people}: must be 1 or more')
    if args.fp16 and not torch.cuda.is_available():
        raise ValueError('--fp16 needs a CUDA device')
    if args.compare_operator and torch.cuda.is_available():
        raise ValueError('--compare-operator compares on a CPU; CUDA always runs the operator')
    forms = {'': nullcontext}
    if args.compare_operator:
        forms[' (mmcv operator)'] = mmcv_operator_on_cpu
    reader = reader_of(args)
    rows, calls = [], []
    for name, config, checkpoint in name_models(args.models):
        cfg = load_config(config, args.cfg_options)
        if args.people is not None:
            keep_people(cfg, args.people)
        model, parameters = build(cfg, checkpoint, args.trust)
        if args.fp16:
            wrap_fp16_model(model)
        watch = Stopwatch(model)
        for form, context in forms.items():
            rows.append(
                dict(
                    model=name + form,
                    config=config,
                    checkpoint=checkpoint,
                    parameters_m=parameters,
                )
            )
            calls.append(test_call(model, watch, reader(cfg), context))
    measured = in_turn(calls, args.runs, args.warmup)
    for row, lists in zip(rows, measured, strict=True):
        row['people'] = sum(lists.pop('people')) / args.runs
        if args.images is None:
            del lists['reading']
    shape = args.shape or (None if args.images else SHAPE)
    report(
        args,
        rows,
        measured,
        'whole',
        what='test, time a picture',
        pictures=str(args.images or 'noise'),
        shape='x'.join(map(str, shape)) if shape else 'of the config',
        precision='fp16' if args.fp16 else 'fp32',
    )


if __name__ == '__main__':
    run_tool(main)
