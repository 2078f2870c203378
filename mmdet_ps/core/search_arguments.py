"""The options of a search on the command line, the same in every tool that searches."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from .evaluation import SearchOptions

_NAMES = ('score_thr', 'query_feature', 'class_weighted', 'skip_repeated', 'cbgm', 'gallery_sizes')


def _gallery_size(text: str) -> int | str:
    """Read a gallery size: a number, or a word such as ``all``."""
    return int(text) if text.isdecimal() else text


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Give a tool the options of :class:`SearchOptions` and the galleries to search."""
    group = parser.add_argument_group(
        'search', "settings that are not given are those of the config's evaluation section"
    )
    group.add_argument(
        '--gallery-sizes',
        nargs='+',
        type=_gallery_size,
        metavar='SIZE',
        help="50 ... 4000 or 'all' (CUHK-SYSU); 'all', 'cross', 'same' camera (PRW)",
    )
    group.add_argument('--score-thr', type=float, help='detections below it are left out')
    group.add_argument(
        '--query-feature',
        choices=['nearest', 'gt_box'],
        help="the query's feature: of the detection nearest to its box, or of the box itself",
    )
    group.add_argument(
        '--class-weighted',
        action=argparse.BooleanOptionalAction,
        help='weight similarities by detection scores',
    )
    group.add_argument(
        '--skip-repeated',
        action=argparse.BooleanOptionalAction,
        help='leave repeated gallery pictures out',
    )
    group.add_argument(
        '--cbgm', nargs=2, type=int, metavar=('K1', 'K2'), help='re-rank by graph matching'
    )


def given_search_options(args: argparse.Namespace) -> list[str]:
    """List the options of :func:`add_search_options` that the command line gives."""
    given = [name for name in _NAMES if getattr(args, name) is not None]
    return [f'--{name.replace("_", "-")}' for name in given]


def read_search_options(
    args: argparse.Namespace, evaluation: Mapping[str, Any] | None
) -> tuple[SearchOptions, Any]:
    """Join the command line, which wins, with a config's ``evaluation``.

    Returns:
        The options, and the gallery sizes: None for those of the dataset.

    Raises:
        ValueError: for an option that cannot be, naming it.
    """
    evaluation = evaluation or {}
    options = SearchOptions.of_config(
        evaluation,
        score_thr=args.score_thr,
        query_feature=args.query_feature,
        class_weighted=args.class_weighted,
        skip_repeated=args.skip_repeated,
        cbgm=args.cbgm and dict(zip(('k1', 'k2'), args.cbgm, strict=True)),
    )
    return options, args.gallery_sizes or evaluation.get('gallery_sizes')
