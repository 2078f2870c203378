"""What finds people for a gallery."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from .people import People


class Finder(Protocol):
    """What fills a gallery; `mmdet_ps.apis.PersonSearcher` is one.

    Attributes:
        dim: Size of an embedding.
        model: Fingerprint of the weights.
        batch: Pictures that the network takes at a time.
    """

    dim: int
    model: str
    batch: int

    def prepare(self, picture: np.ndarray) -> Any:
        """Make a picture ready for the network; called in threads."""

    def find_prepared(self, prepared: Sequence[Any]) -> list[People]:
        """Find people in pictures that are ready."""
