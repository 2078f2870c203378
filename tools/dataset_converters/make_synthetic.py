"""Draw a person search data set and write it as an official release lays it out."""

import argparse
import os
from pathlib import Path

from mmdet_ps.utils.cli import run_tool


def parse_size(text: str) -> tuple[int, int]:
    """'480x288' to (480, 288)."""
    width, separator, height = text.lower().partition('x')
    if not (separator and width.isdigit() and height.isdigit()):
        raise ValueError(f'--size {text}: write it as WIDTHxHEIGHT, for example 480x288')
    return int(width), int(height)


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--layout', choices=['cuhk_sysu', 'prw'], default='cuhk_sysu')
    parser.add_argument('--out', type=Path, required=True, help='folder to make')
    parser.add_argument('--train-images', type=int, default=480)
    parser.add_argument('--test-images', type=int, default=160)
    parser.add_argument('--identities', type=int, default=320, help='train and test together')
    parser.add_argument('--size', default='480x288', help='WIDTHxHEIGHT of a picture')
    parser.add_argument('--seed', type=int, default=0, help='same seed, same bytes')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes')
    parser.add_argument('--force', action='store_true', help='replace data that was made here')
    return parser.parse_args()


def main() -> None:
    """Make the data set and say what is in it."""
    args = parse_args()
    from mmdet_ps.datasets.synthetic import Settings, make_dataset

    width, height = parse_size(args.size)
    settings = Settings(
        layout=args.layout,
        train_images=args.train_images,
        test_images=args.test_images,
        identities=args.identities,
        width=width,
        height=height,
        seed=args.seed,
    )
    counts = make_dataset(settings, args.out, args.workers, args.force, progress=True)
    print(
        f'{args.out}: {counts["images"]} images, {counts["people"]} people of whom '
        f'{counts["labelled"]} have an identity, {counts["queries"]} queries'
    )


if __name__ == '__main__':
    run_tool(main)
