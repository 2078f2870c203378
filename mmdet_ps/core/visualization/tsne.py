"""Re-id features of both branches as points of a plane, by t-SNE (arXiv 2109.00211, Fig. 9).

Shapes: N pictures, n people with an identity whom the model found in all of them, D feature size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import hsv_to_rgb, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..evaluation.detection import match_people
from ..evaluation.detections import check_detections, unit
from ..evaluation.report import check_results

# Name of the feature: the branch, its marker, and the marker's area.
BRANCHES = {'roi_align': ('RoI-Align', '*', 70), 'alignps': ('AlignPS', '.', 60)}
# Detections of an identity, below which there is no cluster to see.
LEAST = 3
_PERPLEXITY = 30.0
# Easy to tell from each other on white.
_DISTINCT = (
    'e6194b 3cb44b 4363d8 f58231 911eb4 25b8dc f032e6 e0b000 469990 9a6324 800000 9bcf20 000075 '
    '808000 8c8c8c'
).split()


@dataclass(frozen=True)
class People:
    """Detections of people whose identity is annotated.

    Attributes:
        pids: (n,) identities.
        feats: (n, D) of each branch, unit vectors.
    """

    pids: np.ndarray
    feats: dict[str, np.ndarray]

    def of(self, identities: np.ndarray) -> People:
        """Those of some identities."""
        kept = np.isin(self.pids, identities)
        return People(self.pids[kept], {name: rows[kept] for name, rows in self.feats.items()})


def identified_people(
    results: Sequence[Mapping[str, Any]],
    image_names: Sequence[str],
    truths: Sequence[Mapping[str, np.ndarray]],
    score_thr: float = 0.0,
) -> People:
    """Features of the detections that match an annotated person with an identity.

    Args:
        results: N dicts ``bboxes`` (k, 5) and ``feats`` {branch: (k, D)}.
        image_names: N names, in the order of the results.
        truths: N dicts ``bboxes`` (m, 4) and ``pids`` (m,); negative is no identity.
        score_thr: detections below this score are left out.

    Raises:
        ValueError: for results of other pictures, broken ones, or of a model without both
            branches; for branches whose features differ in size.
    """
    names = check_results(results, image_names)
    if not set(BRANCHES) <= set(names):
        raise ValueError(
            f'the features are {", ".join(names)}; needed are those of both branches, '
            f'{" and ".join(BRANCHES)}'
        )
    given = [result['bboxes'] for result in results]
    feats = {}
    for name in BRANCHES:
        boxes, rows = check_detections(image_names, given, [r['feats'][name] for r in results])
        feats[name] = rows
    sizes = {name: max(row.shape[1] for row in rows) for name, rows in feats.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f'features of both branches must be of one size to be compared: {sizes}')
    pids: list[np.ndarray] = []
    found: dict[str, list[np.ndarray]] = {name: [] for name in BRANCHES}
    for i, (here, truth) in enumerate(zip(boxes, truths, strict=True)):
        shown = np.flatnonzero(here[:, 4] >= score_thr)
        who = match_people(truth['bboxes'], here[shown])
        shown, who = shown[who >= 0], who[who >= 0]
        known = np.asarray(truth['pids'])[who] >= 0
        pids.append(np.asarray(truth['pids'])[who[known]])
        for name, rows in feats.items():
            found[name].append(rows[i][shown[known]])
    return People(
        np.concatenate(pids), {name: unit(np.concatenate(rows)) for name, rows in found.items()}
    )


def choose_identities(models: Sequence[People], count: int, seed: int) -> np.ndarray:
    """Random identities of which each model found ``LEAST`` or more detections.

    Returns:
        (count,) identities, sorted; the same for all models.

    Raises:
        ValueError: where there are not so many.
    """
    several = []
    for people in models:
        pids, counts = np.unique(people.pids, return_counts=True)
        several.append(set(pids[counts >= LEAST].tolist()))
    known = sorted(set.intersection(*several))
    if count < 1:
        raise ValueError(f'--identities {count}: must be 1 or more')
    if count > len(known):
        raise ValueError(
            f'--identities {count}: only {len(known)} have {LEAST} detections or more in the '
            'results of every model'
        )
    return np.sort(np.random.default_rng(seed).choice(known, count, replace=False))


def embed(people: People, seed: int) -> dict[str, np.ndarray]:
    """Places of the features of both branches in one plane.

    Returns:
        (n, 2) of each branch; the same for the same seed, on any number of threads.

    Raises:
        ValueError: without scikit-learn, or for features that are all alike.
    """
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise ValueError(
            'the t-SNE needs scikit-learn: tools/setup.sh --extras, or pip install '
            '"mmdet_ps[plots]"'
        ) from None
    rows = np.concatenate([people.feats[name] for name in BRANCHES]).astype(np.float64)
    if np.ptp(rows, axis=0).max() < 1e-6:
        raise ValueError('the features are the same for everybody: there is nothing to see')
    # A point cannot have more neighbours than there are points.
    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
    tsne = TSNE(init='pca', perplexity=perplexity, random_state=seed)
    with threadpool_limits(1):
        places = tsne.fit_transform(rows)
    return dict(zip(BRANCHES, np.split(places, len(BRANCHES)), strict=True))


def identity_colours(count: int) -> np.ndarray:
    """(count, 3) of red, green and blue, 0..1."""
    if count <= len(_DISTINCT):
        return np.array([to_rgb(f'#{code}') for code in _DISTINCT[:count]])
    hues = [hsv_to_rgb((i / count, 0.9, (0.92, 0.55)[i % 2])) for i in range(count)]
    return np.array(hues)


def draw_embeddings(
    models: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray]]], title: str = ''
) -> Figure:
    """Draw a panel a model: an identity has the same colour in all, a branch its marker.

    Args:
        models: by name, identities (n,) and the places (n, 2) of each branch.
        title: written above.
    """
    identities = np.unique(np.concatenate([pids for pids, _ in models.values()]))
    palette = identity_colours(len(identities))
    columns = min(len(models), 3)
    rows = -(-len(models) // columns)
    figure = Figure(figsize=(4.4 * columns, 4.4 * rows + 0.7), layout='constrained')
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (name, (pids, places)) in zip(panels, models.items(), strict=False):
        colours = palette[np.searchsorted(identities, pids)]
        for branch, (_, marker, area) in BRANCHES.items():
            axis.scatter(*places[branch].T, s=area, c=colours, marker=marker, linewidths=0.3)
        axis.set_title(name)
        axis.set_aspect('equal', adjustable='datalim')
        axis.set_xticks([])
        axis.set_yticks([])
    for axis in panels[len(models) :]:
        axis.remove()
    figure.legend(
        handles=[
            Line2D([], [], ls='', marker=marker, color='0.3', markersize=area**0.5, label=label)
            for label, marker, area in BRANCHES.values()
        ],
        loc='outside lower center',
        ncols=len(BRANCHES),
        frameon=False,
    )
    figure.suptitle(title or f't-SNE of re-id features, {len(identities)} identities')
    return figure
