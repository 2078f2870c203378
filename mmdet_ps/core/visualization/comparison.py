"""What several models find for the same queries, side by side (arXiv 2109.00211, Fig. 10)."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ..evaluation import Ranking
from .rankings import RIGHT, WRONG, check_topk, hit_cell, query_cell
from .sheet import FAINT, Cell, Colour, Sheet

QUERY = (0, 220, 255)
SHOW = ('names', 'scores')


def check_same_queries(rankings: Mapping[str, Ranking]) -> None:
    """Refuse rankings that cannot be compared, by the name of the model.

    Raises:
        ValueError: where they are of different protocols or queries.
    """
    (first, reference), *others = rankings.items()
    for name, ranking in others:
        both = f'{first} and {name} cannot be compared'
        if ranking.protocol != reference.protocol:
            raise ValueError(
                f'{both}: searched is {reference.protocol} in one and {ranking.protocol} in the '
                f'other; choose one with --protocol'
            )
        if len(ranking.ap) != len(reference.ap):
            counts = f'{len(reference.ap)} and {len(ranking.ap)}'
            raise ValueError(f'{both}: they have {counts} queries of {ranking.protocol}')
        other = np.flatnonzero(_asked(ranking) != _asked(reference))
        if len(other):
            raise ValueError(f'{both}: query {other[0]} is another person or box in each')


def _asked(ranking: Ranking) -> np.ndarray:
    """(Q,) of what each query asks for: picture, box and identity."""
    names = ranking.image_names[ranking.query_images].tolist()
    boxes, pids = ranking.query_boxes.tolist(), ranking.query_pids.tolist()
    asked = np.empty(len(names), object)
    asked[:] = [(name, *box, pid) for name, box, pid in zip(names, boxes, pids, strict=True)]
    return asked


def most_different(rankings: Sequence[Ranking], topk: int = 1) -> list[int]:
    """All queries, those first on which the models differ most in what is drawn.

    The measure is the variance over the models of the number of right boxes among the first
    ``topk``: with one box, of right and wrong. Of equal ones, that with the larger variance of AP
    comes first, and then the one with the smaller number.
    """
    right = np.stack([ranking.top_right[:, :topk].sum(axis=1) for ranking in rankings])
    # Whole numbers, so that equal variances are equal: n sum x^2 - (sum x)^2.
    spread = len(right) * (right**2).sum(axis=0) - right.sum(axis=0) ** 2
    ap = np.stack([ranking.ap for ranking in rankings]).var(axis=0).round(12)
    return np.lexsort((np.arange(len(ap)), -ap, -spread)).tolist()


def comparison_sheet(
    rankings: Mapping[str, Ranking],
    queries: Sequence[int],
    topk: int = 1,
    show: Collection[str] = (),
    title: str = '',
) -> Sheet:
    """Lay out the best boxes of each model for some queries, a row a query.

    Args:
        rankings: by the name of the model, which stands above its boxes.
        queries: indices of the queries to draw.
        topk: boxes of each model, at most the 10 that a ranking holds.
        show: ``names`` of the pictures, detection ``scores``.
        title: written above.

    Returns:
        The sheet, of which nothing is drawn yet.

    Raises:
        ValueError: for rankings of different queries, or ``topk`` outside 1 to 10.
    """
    check_same_queries(rankings)
    for ranking in rankings.values():
        check_topk(ranking, topk)
    first = next(iter(rankings.values()))
    similarities = ' or '.join(dict.fromkeys(r.similarity for r in rankings.values()))
    legend: list[tuple[str, Colour | None]] = [
        ('query', QUERY),
        ('right person', RIGHT),
        ('wrong', WRONG),
    ]
    if topk > 1:
        legend.append(('wrong and "again": a second box of a person found', WRONG))
    legend.append((f'number: {similarities}', None))
    rows: list[list[Cell | None]] = []
    for query in queries:
        row: list[Cell | None] = [query_cell(first, query, 'names' in show, QUERY, with_ap=False)]
        for ranking in rankings.values():
            hits = [hit_cell(ranking, query, k, show) for k in range(topk)]
            hits[0].lines.insert(0, (f'AP {100 * ranking.ap[query]:.0f} %', FAINT))
            row += hits
        rows.append(row)
    heads = {1 + i * topk: name for i, name in enumerate(rankings)}
    ranks = 'rank 1' if topk == 1 else f'ranks 1 - {topk}'
    return Sheet(title or f'{ranks} of each model, {first.protocol}', legend, rows, heads)
