"""Time and peak memory of a training step: forward, backward and the optimizer's step.

Each model trains alone, in a process of its own, whose peak memory is therefore its own; on a GPU
it is that of the tensors, on a CPU that of the whole process, libraries included: the peak before
the first step, with the model built, stands beside it. The input is noise with a few people
drawn as boxes. Weights are random where no checkpoint is given.

Example:
    python tools/analysis/benchmark_training.py configs/alignps/alignps_r50_prw.py
        configs/roi_alignps/roi_alignps_r50_prw.py --csv steps.csv
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from model_benchmark import SHAPE, add_options, build, check_options, name_models, noise, report

from mmdet_ps.utils.cli import run_tool

# Their centres and their size, in shares of the picture.
CENTRES = ((0.2, 0.5), (0.4, 0.6), (0.6, 0.4), (0.8, 0.5))
SIZE = (0.08, 0.4)


def drawn_batch(shape, batch):
    """A training batch: noise with the same few people in each picture, the last without identity.

    Args:
        shape: (height, width) of a picture.
        batch: Number of pictures.

    Returns:
        The arguments of ``train_step``.
    """
    import torch

    img, img_metas = noise(shape, batch)
    size = torch.tensor([shape[1], shape[0]], device=img.device)
    centres = torch.tensor(CENTRES, device=img.device)
    half = torch.tensor(SIZE, device=img.device) / 2
    boxes = torch.cat([(centres - half) * size, (centres + half) * size], dim=1)
    pids = torch.arange(len(boxes), device=img.device)
    pids[-1] = -1
    return dict(
        img=img,
        img_metas=img_metas,
        gt_bboxes=[boxes] * batch,
        gt_labels=[torch.zeros_like(pids)] * batch,
        gt_pids=[pids] * batch,
    )


def train_alone(config, checkpoint, args):
    """Train in this process.

    Returns:
        Parameters in millions, peak memory in MiB before the first step and in all, and the seconds
        of each counted step.
    """
    import torch
    from mmcv.runner import build_optimizer
    from torch.nn.utils import clip_grad_norm_

    from mmdet_ps.apis import load_config
    from mmdet_ps.core.precision import train_in_bfloat16
    from mmdet_ps.utils.timing import peak_memory, seconds

    cfg = load_config(config, args.cfg_options)
    model, parameters = build(cfg, checkpoint, args.trust)
    model.train()
    if cfg.get('bf16'):
        train_in_bfloat16(model)
    optimizer = build_optimizer(model, cfg.optimizer)
    clip = cfg.optimizer_config.get('grad_clip')
    data = drawn_batch(args.shape or SHAPE, args.batch)
    torch.manual_seed(0)

    def step():
        loss = model.train_step(data, optimizer)['loss']
        optimizer.zero_grad()
        loss.backward()
        if clip:
            clip_grad_norm_([p for p in model.parameters() if p.grad is not None], **clip)
        optimizer.step()

    before = peak_memory()
    times = [seconds(step) for _ in range(args.warmup + args.runs)][args.warmup :]
    return parameters, before, peak_memory(), times


def in_own_process(name, call, *arguments):
    """What ``call`` gives in a process that is started for it.

    Raises:
        OSError: where the process is killed.
    """
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as process:
        try:
            return process.submit(call, *arguments).result()
        except BrokenProcessPool:
            raise OSError(
                f'{name}: its process was killed while it trained, most likely for lack of '
                'memory: give a smaller --shape or --batch'
            ) from None


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    args = parser.parse_args()
    check_options(args)
    from mmdet_ps.apis import load_config

    models = name_models(args.models)
    for name, config, _ in models:
        if load_config(config, args.cfg_options).get('fp16') is not None:
            raise ValueError(f'{name}: steps of fp32 and bf16=True are measured here, not of fp16')
    rows, measured = [], []
    for name, config, checkpoint in models:
        parameters, before, peak, times = in_own_process(
            name, train_alone, config, checkpoint, args
        )
        rows.append(
            dict(
                model=name,
                config=config,
                checkpoint=checkpoint,
                parameters_m=parameters,
                before_mib=round(before, 1),
                peak_mib=round(peak, 1),
            )
        )
        measured.append(dict(step=times))
    shape = 'x'.join(map(str, args.shape or SHAPE))
    report(args, rows, measured, 'step', what='training step', pictures='noise', shape=shape)


if __name__ == '__main__':
    run_tool(main)
