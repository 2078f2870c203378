"""Train a person search model.

A SIGTERM lets it finish its step, save and end with exit code 75: not finished, --auto-resume goes
on.
"""

import argparse
import sys
from pathlib import Path

from mmdet_ps.utils.cli import STOPPED_EARLY, add_cfg_options, run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line; the flags are mmdet's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='where logs and checkpoints go')
    parser.add_argument('--resume-from', metavar='FILE', help='checkpoint to go on from')
    parser.add_argument(
        '--auto-resume', action='store_true', help='go on from the newest checkpoint, if any'
    )
    parser.add_argument(
        '--no-validate', action='store_true', help='no search of the test set during training'
    )
    parser.add_argument('--seed', type=int, help='of all random numbers; drawn by default')
    parser.add_argument(
        '--deterministic', action='store_true', help='repeat exactly, at some cost in speed'
    )
    add_cfg_options(parser)
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the global batch (the config names the base)',
    )
    parser.add_argument(
        '--trust',
        action='store_true',
        help='read checkpoints of your own that hold more than weights and plain data',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    return parser.parse_args()


def main() -> None:
    """Train as the command line says."""
    args = parse_args()
    from mmdet_ps.apis import load_config, train
    from mmdet_ps.core.runner import TrainingStopped

    cfg = load_config(args.config, args.cfg_options)
    if args.work_dir:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    if args.resume_from:
        cfg.resume_from = args.resume_from
    cfg.auto_resume = args.auto_resume
    if args.auto_scale_lr:
        cfg.merge_from_dict({'auto_scale_lr.enable': True})
    try:
        train(
            cfg,
            launcher=args.launcher,
            seed=args.seed,
            deterministic=args.deterministic,
            validate=not args.no_validate,
            name=Path(args.config).name,
            trust=args.trust,
        )
    except TrainingStopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(STOPPED_EARLY)


if __name__ == '__main__':
    run_tool(main)
