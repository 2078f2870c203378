"""Join the results of two models trained apart: same people by IoU, features side by side."""

import argparse
from typing import Any

import numpy as np

from mmdet_ps.utils.cli import run_tool

Result = dict[str, Any]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Evaluate what comes out with tools/test_ps.py CONFIG --results FILE: it has a row '
        'a feature, and one of their concatenation.',
    )
    parser.add_argument('results', help='results whose boxes are kept (tools/test_ps.py --out)')
    parser.add_argument('other', help='results of the other model on the same pictures')
    parser.add_argument('--out', metavar='FILE.npz', required=True)
    parser.add_argument(
        '--iou', type=float, default=0.5, help='overlap from which two boxes are one person'
    )
    parser.add_argument(
        '--drop-unmatched',
        action='store_true',
        help='leave out a box that the other model has no partner of; by default it stays, with '
        'zeros in the place of the feature that is missing',
    )
    parser.add_argument(
        '--trust', action='store_true', help='read results files of your own that can run code'
    )
    args = parser.parse_args()
    if not 0 < args.iou <= 1:
        parser.error(f'--iou {args.iou}: more than 0 and at most 1')
    return args


def match(boxes: np.ndarray, others: np.ndarray, threshold: float) -> np.ndarray:
    """Pair boxes one to one, the pair of largest IoU first.

    Args:
        boxes: (n, 4 or more) x1 y1 x2 y2.
        others: (m, 4 or more).
        threshold: Smallest IoU of a pair.

    Returns:
        (n,) int64, place of the partner among ``others``; -1: none.
    """
    from mmdet_ps.core.evaluation.boxes import paired_iou

    n, m = len(boxes), len(others)
    partner = np.full(n, -1, np.int64)
    iou = paired_iou(np.repeat(boxes[:, :4], m, axis=0), np.tile(others[:, :4], (n, 1)))
    # A stable order: of equal overlaps, the better score, which comes first, chooses first.
    order = np.argsort(-iou, kind='stable')
    taken = np.zeros(m, bool)
    for pair in order[: int((iou >= threshold).sum())]:
        i, j = divmod(int(pair), m)
        if partner[i] < 0 and not taken[j]:
            partner[i] = j
            taken[j] = True
    return partner


def join(result: Result, other: Result, partner: np.ndarray, drop_unmatched: bool) -> Result:
    """Join the results of one picture.

    Args:
        result: ``bboxes`` (n, 5), ``feats`` by name; its boxes, scores and order are kept.
        other: The other model's; its features are added.
        partner: (n,) places among the other's boxes, -1: none; see `match`.
        drop_unmatched: Whether a box without partner is left out.

    Returns:
        A result with the features of both, and of the queries' boxes where both describe them.
    """
    kept = np.flatnonzero(partner >= 0) if drop_unmatched else np.arange(len(partner))
    partner = partner[kept]
    feats = {name: values[kept] for name, values in result['feats'].items()}
    for name, values in other['feats'].items():
        feats[name] = np.zeros((len(kept), values.shape[1]), values.dtype)
        feats[name][partner >= 0] = values[partner[partner >= 0]]
    joined = {**result, 'bboxes': result['bboxes'][kept], 'feats': feats}
    if 'query_feats' in result and 'query_feats' in other:
        joined['query_feats'] = {**result['query_feats'], **other['query_feats']}
    elif 'query_feats' in result:
        del joined['query_boxes'], joined['query_feats']
    return joined


def check(results: list[Result], others: list[Result], paths: tuple[str, str]) -> None:
    """Refuse results that are not of the same pictures, or not of two kinds of features.

    Raises:
        ValueError: With the file and what is wrong.
    """
    if len(results) != len(others):
        raise ValueError(
            f'{paths[0]} has {len(results)} pictures, {paths[1]} {len(others)}: '
            'test both models on the same dataset'
        )
    for i, pair in enumerate(zip(results, others, strict=True)):
        names = [result.get('img_name') for result in pair]
        if names[0] != names[1]:
            raise ValueError(
                f'picture {i} is {names[0]} in {paths[0]} and {names[1]} in {paths[1]}: '
                'test both models on the same dataset'
            )
        common = set(pair[0]['feats']) & set(pair[1]['feats'])
        if common:
            raise ValueError(
                f'{paths[0]} and {paths[1]} both have the feature {sorted(common)[0]!r}: '
                'join models of two kinds, such as AlignPS and NAE'
            )
        asked = [result['query_boxes'][:, :4] for result in pair if 'query_boxes' in result]
        if len(asked) == 2 and not (
            len(asked[0]) == len(asked[1]) and np.allclose(*asked, rtol=0, atol=1)
        ):
            raise ValueError(
                f'picture {i}: {paths[0]} and {paths[1]} describe other query boxes: '
                'test both models with the same galleries'
            )


def main() -> None:
    """Read, join and write."""
    args = parse_args()
    from mmdet_ps.core.results_io import check_out, load_results, save_results

    check_out(args.out)
    results, others = (load_results(file, args.trust) for file in (args.results, args.other))
    check(results, others, (args.results, args.other))
    partners = [
        match(result['bboxes'], other['bboxes'], args.iou)
        for result, other in zip(results, others, strict=True)
    ]
    triples = zip(results, others, partners, strict=True)
    save_results(args.out, [join(*triple, args.drop_unmatched) for triple in triples])
    boxes, pairs = sum(map(len, partners)), sum(int((p >= 0).sum()) for p in partners)
    print(f'{args.out}: {pairs} of {boxes} boxes in {len(results)} pictures have a partner')


if __name__ == '__main__':
    run_tool(main)
