"""Pictures of ranked search results: a row a query, the best gallery boxes beside it."""

from collections.abc import Collection, Sequence

import numpy as np

from ..evaluation import Ranking
from ..evaluation.boxes import match_threshold, paired_iou
from .sheet import FAINT, INK, Cell, Colour, Sheet

QUERY, RIGHT, WRONG, MISSED = (200, 120, 30), (60, 160, 30), (45, 45, 215), (0, 140, 235)
SHOW = ('names', 'scores', 'missed')
# Cells of missed people at the end of a row.
_MOST_MISSED = 3


def parse_queries(text: str) -> int | list[int]:
    """'6' to 6, '3,17' to [3, 17], '3,' to [3].

    Raises:
        ValueError: for other text.
    """
    parts = [part.strip() for part in text.split(',')]
    numbers = [part for part in parts if part]
    if not numbers or not all(part.isdecimal() for part in numbers):
        raise ValueError(f'--queries {text}: give a number, or indices as 3,17,40')
    return int(parts[0]) if len(parts) == 1 else [int(part) for part in numbers]


def choose_ranking(
    rankings: Sequence[Ranking], feature: str | None = None, protocol: str | None = None
) -> Ranking:
    """The ranking of a feature and protocol; by default the last feature of the first protocol.

    Raises:
        KeyError: where there is none, naming those that there are.
    """
    protocol = rankings[0].protocol if protocol is None else protocol
    fitting = [
        ranking
        for ranking in rankings
        if ranking.protocol == protocol and feature in (None, ranking.feature)
    ]
    if not fitting:
        known = ', '.join(f'{ranking.feature} on {ranking.protocol}' for ranking in rankings)
        raise KeyError(
            f'no ranking of --feature {feature} on --protocol {protocol}; known: {known}'
        )
    return fitting[-1]


def choose_queries(
    count: int, asked: int | Sequence[int], preferred: Sequence[int] | None = None
) -> list[int]:
    """Queries to draw: those asked for, or as many as asked for.

    Args:
        count: of the protocol.
        asked: which, or how many.
        preferred: all queries in the order in which ``asked`` of them are taken; without it they
            are spread evenly over the protocol.

    Raises:
        ValueError: for a number that is not 1 to ``count``, or an index that is not below it.
    """
    if isinstance(asked, int):
        if not 1 <= asked <= count:
            raise ValueError(f'--queries {asked}: the protocol has 1 to {count} to draw')
        if preferred is not None:
            return list(preferred[:asked])
        return [int(q) for q in np.linspace(0, count - 1, asked).round()]
    outside = [q for q in asked if not 0 <= q < count]
    if outside:
        raise ValueError(f'--queries: there is no query {outside[0]}; they are 0 to {count - 1}')
    return list(asked)


def search_sheet(
    ranking: Ranking,
    queries: Sequence[int],
    topk: int = 5,
    show: Collection[str] = (),
    title: str = '',
) -> Sheet:
    """Lay out the best boxes of some queries.

    Args:
        ranking: what was found; see ``load_rankings``.
        queries: indices of the queries to draw, a row each.
        topk: boxes a query, at most the 10 that a ranking holds.
        show: ``names`` of the pictures, detection ``scores``, and the people that were ``missed``:
            those to be found that are not among the boxes shown, with the rank of their detection.
        title: written above.

    Returns:
        The sheet, of which nothing is drawn yet.

    Raises:
        ValueError: for ``topk`` outside 1 to 10.
    """
    check_topk(ranking, topk)
    legend: list[tuple[str, Colour | None]] = [
        ('query', QUERY),
        ('right person', RIGHT),
        ('wrong', WRONG),
        ('wrong and "again": a second box of a person found with another', WRONG),
        (f'ranks 1 - {topk}, number: {ranking.similarity}', None),
    ]
    if 'missed' in show:
        legend.insert(4, ('missed: to be found, not among these', MISSED))
    rows: list[list[Cell | None]] = []
    for query in queries:
        row: list[Cell | None] = [query_cell(ranking, query, 'names' in show)]
        row += [hit_cell(ranking, query, k, show) for k in range(topk)]
        if 'missed' in show:
            row += _missed_cells(ranking, query, topk, 'names' in show)
        rows.append(row)
    title = title or f'search results, {ranking.feature}, {ranking.protocol}'
    return Sheet(title, legend, rows)


def check_topk(ranking: Ranking, topk: int) -> None:
    """Refuse a number of boxes that a ranking does not hold.

    Raises:
        ValueError: naming it.
    """
    most = ranking.top_sims.shape[1]
    if not 1 <= topk <= most:
        raise ValueError(f'--topk {topk}: must be 1 to {most}')


def _truths(ranking: Ranking, query: int) -> slice:
    return slice(int(ranking.gt_indptr[query]), int(ranking.gt_indptr[query + 1]))


def _name(ranking: Ranking, image: int) -> str:
    return str(ranking.image_names[image])


def query_cell(
    ranking: Ranking,
    query: int,
    named: bool = False,
    colour: Colour = QUERY,
    with_ap: bool = True,
) -> Cell:
    """The person that is searched for; ``named`` writes the picture's name above."""
    name = _name(ranking, ranking.query_images[query])
    part = _truths(ranking, query)
    average = f'AP {100 * ranking.ap[query]:.0f} %, ' if with_ap else ''
    lines = [(f'query {query}', INK), (f'{average}{part.stop - part.start} to find', FAINT)]
    if named:
        lines.append((name, FAINT))
    return Cell(lines, name, ranking.query_boxes[query], colour)


def hit_cell(ranking: Ranking, query: int, k: int, show: Collection[str]) -> Cell:
    """The box of rank ``k`` (from 0) in the colour of right or wrong; see ``search_sheet``."""
    image = int(ranking.top_images[query, k])
    if image < 0:
        return Cell([('nobody', FAINT)])
    name, box = _name(ranking, image), ranking.top_boxes[query, k]
    right = bool(ranking.top_right[query, k])
    colour = RIGHT if right else WRONG
    again = not right and is_second_box(ranking, query, k)
    lines = [(f'{k + 1}: {ranking.top_sims[query, k]:.2f}{" again" if again else ""}', colour)]
    if 'scores' in show:
        lines.append((f'score {box[4]:.2f}', FAINT))
    if 'names' in show:
        lines.append((name, FAINT))
    return Cell(lines, name, box, colour)


def is_second_box(ranking: Ranking, query: int, k: int) -> bool:
    """Whether a wrong box is on the person after all, who was found with another box there.

    In each picture one detection counts, and every other is wrong, on whomever it is.
    """
    part = _truths(ranking, query)
    there = ranking.gt_images[part] == ranking.top_images[query, k]
    truths = ranking.gt_boxes[part][there & (ranking.gt_ranks[part] >= 0)]
    if not len(truths):
        return False
    box = np.repeat(ranking.top_boxes[query, k, None, :4], len(truths), axis=0)
    return bool((paired_iou(box, truths) >= match_threshold(truths)).any())


def _missed_cells(ranking: Ranking, query: int, topk: int, named: bool) -> list[Cell | None]:
    part = _truths(ranking, query)
    ranks = ranking.gt_ranks[part]
    # Those with a rank first, then those without a detection.
    order = np.lexsort((ranks, ranks < 0))
    missed = [int(i) + part.start for i in order if not 0 <= ranks[i] < topk]
    cells: list[Cell | None] = []
    for i in missed[:_MOST_MISSED]:
        name, rank = _name(ranking, ranking.gt_images[i]), int(ranking.gt_ranks[i])
        lines = [(f'missed: {f"rank {rank + 1}" if rank >= 0 else "no box"}', MISSED)]
        if len(cells) == _MOST_MISSED - 1 and len(missed) > _MOST_MISSED:
            lines.insert(0, (f'{len(missed) - _MOST_MISSED} more missed', MISSED))
        if named:
            lines.append((name, FAINT))
        cells.append(Cell(lines, name, ranking.gt_boxes[i], MISSED))
    return cells + [None] * (_MOST_MISSED - len(cells))
