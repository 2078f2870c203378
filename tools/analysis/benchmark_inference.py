"""Time a model's inference, an image at a time or in batches (Table IX of the paper)."""

import argparse
import resource
import statistics
from contextlib import nullcontext

import numpy as np
import torch
from mmcv import DictAction
from mmcv.runner import wrap_fp16_model

from mmdet_ps.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--checkpoint', help='weights; random ones by default')
    parser.add_argument(
        '--shape', type=int, nargs=2, default=[900, 1500], metavar=('HEIGHT', 'WIDTH')
    )
    parser.add_argument('--batch', type=int, default=1, help='images a forward pass')
    parser.add_argument('--runs', type=int, default=10, help='counted forward passes')
    parser.add_argument('--warmup', type=int, default=2, help='forward passes before those')
    parser.add_argument('--fp16', action='store_true', help="mmcv's half precision (CUDA)")
    parser.add_argument(
        '--compare-operator',
        action='store_true',
        help="time mmcv's deformable operator in turn with the sampled form (CPU)",
    )
    parser.add_argument('--trust', action='store_true', help='read a checkpoint of your own')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    args = parser.parse_args()
    if min(args.shape) < 32 or min(args.batch, args.runs) < 1 or args.warmup < 0:
        parser.error('--shape from 32 on, --batch and --runs from 1 on, --warmup from 0 on')
    if args.fp16 and not torch.cuda.is_available():
        parser.error('--fp16 needs a CUDA device')
    if args.compare_operator and torch.cuda.is_available():
        parser.error('--compare-operator compares on a CPU; CUDA always runs the operator')
    return args


class Stopwatch:
    """Adds up the seconds spent in the ``get_bboxes`` of a model's heads."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.total = 0.0
        for head in model.modules():
            if hasattr(head, 'get_bboxes'):
                head.get_bboxes = self._timed(head.get_bboxes)

    def _timed(self, call):  # noqa: ANN001, ANN202
        from mmdet_ps.utils.timing import now

        def timed(*args: object, **kwargs: object) -> object:
            start = now()
            out = call(*args, **kwargs)
            self.total += now() - start
            return out

        return timed


def main() -> None:
    """Time and print."""
    args = parse_args()
    from mmdet_ps.apis import load_config, load_model
    from mmdet_ps.models.layers import mmcv_operator_on_cpu
    from mmdet_ps.utils.timing import device_name, seconds, summary

    cfg = load_config(args.config, args.cfg_options)
    torch.manual_seed(0)
    model = load_model(cfg, args.checkpoint, trust=args.trust)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    model = model.to(device)
    if args.fp16:
        wrap_fp16_model(model)
    height, width = args.shape
    padded = [-(-side // 32) * 32 for side in (height, width)]
    img = torch.zeros(args.batch, 3, *padded, device=device)
    img[..., :height, :width] = 50 * torch.randn(args.batch, 3, height, width, device=device)
    meta = dict(img_shape=(height, width, 3), scale_factor=np.ones(4, dtype=np.float32))
    watch = Stopwatch(model)

    def forward() -> None:
        with torch.no_grad():
            model(return_loss=False, rescale=True, img=[img], img_metas=[[meta] * args.batch])

    modes = {'sampled on CPU': nullcontext, 'mmcv operator': mmcv_operator_on_cpu}
    if not args.compare_operator:
        modes = {'': nullcontext}
    totals: dict[str, list[float]] = {mode: [] for mode in modes}
    posts: dict[str, list[float]] = {mode: [] for mode in modes}
    for run in range(args.warmup + args.runs):
        for mode, context in modes.items():
            watch.total = 0.0
            with context():
                spent = seconds(forward) / args.batch
            if run >= args.warmup:
                totals[mode].append(spent)
                posts[mode].append(watch.total / args.batch)
    print(
        f'{args.config} on {device_name()}, {height}x{width}, batch {args.batch}, '
        f'{"fp16" if args.fp16 else "fp32"}, {args.runs} runs, time an image:'
    )
    for mode in modes:
        network = [a - b for a, b in zip(totals[mode], posts[mode], strict=True)]
        name = mode and f'{mode}: '
        print(f'  {name}whole            {summary(totals[mode])}')
        print(f'  {name}network          {summary(network)}')
        print(f'  {name}post-processing  {summary(posts[mode])}')
    if args.compare_operator:
        ours, theirs = (statistics.median(totals[mode]) for mode in modes)
        print(f'  sampled / operator: {ours / theirs:.3f}')
    if device.type == 'cuda':
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f'  peak memory {peak:.0f} MiB ({"GPU" if device.type == "cuda" else "process"})')


if __name__ == '__main__':
    run_tool(main)
