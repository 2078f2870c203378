"""How a search is evaluated: one object, checked when it is made, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

QUERY_FEATURES = ('nearest', 'gt_box')
SIMILARITIES = ('cosine', 'cosine x score', 'matched sum')


@dataclass(frozen=True)
class SearchOptions:
    """Options of :func:`evaluate_search`, which says what each means.

    Args:
        score_thr: gallery detections need at least this score, 0..1.
        query_feature: ``nearest`` or ``gt_box``.
        class_weighted: multiply each similarity with the detection's score.
        skip_repeated: leave out an image that a gallery lists again.
        cbgm: ``dict(k1=, k2=)``, both at least 1, for context bipartite graph matching; or None.

    Raises:
        ValueError: naming the option, what it is and what is allowed.

    Example:
        >>> SearchOptions.of_config(dict(score_thr=0.2, interval=3), score_thr=0.15).score_thr
        0.15
    """

    score_thr: float = 0.2
    query_feature: str = 'nearest'
    class_weighted: bool = False
    skip_repeated: bool = False
    cbgm: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        number = isinstance(self.score_thr, Real) and not isinstance(self.score_thr, bool)
        if not number or not math.isfinite(self.score_thr):
            raise ValueError(
                f'score_thr={self.score_thr!r}: a finite number is needed, 0..1 as scores'
            )
        if self.query_feature not in QUERY_FEATURES:
            raise ValueError(
                f'query_feature={self.query_feature!r} is unknown; '
                f'allowed: {", ".join(QUERY_FEATURES)}'
            )
        for name in ('class_weighted', 'skip_repeated'):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f'{name}={getattr(self, name)!r}: must be True or False')
        if self.cbgm is None:
            return
        numbers = self.cbgm if isinstance(self.cbgm, Mapping) else {}
        if set(numbers) != {'k1', 'k2'} or not all(
            isinstance(k, Integral) and not isinstance(k, bool) and k >= 1 for k in numbers.values()
        ):
            raise ValueError(
                f'cbgm={self.cbgm!r}: needs dict(k1=K1, k2=K2) with whole numbers of at least 1, '
                'or None'
            )
        object.__setattr__(self, 'cbgm', {name: int(numbers[name]) for name in ('k1', 'k2')})

    @property
    def similarity(self) -> str:
        """What the numbers that detections are ranked by are: one of ``SIMILARITIES``."""
        cosine, weighted, matched = SIMILARITIES
        if self.cbgm is not None:
            return matched
        return weighted if self.class_weighted else cosine

    @classmethod
    def of_config(cls, evaluation: Mapping[str, Any], **given: Any) -> SearchOptions:
        """Take the options out of a config's ``evaluation``; what is ``given`` and not None wins.

        The other keys of ``evaluation`` are for the hook in training.
        """
        names = {field.name for field in fields(cls)}
        own = {name: value for name, value in evaluation.items() if name in names}
        return cls(**own | {name: value for name, value in given.items() if value is not None})
