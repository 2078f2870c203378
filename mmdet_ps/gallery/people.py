"""People found in one picture."""

import os
from dataclasses import dataclass, field

import numpy as np

from ..core.visualization.people import draw_detections, save_picture
from .pictures import as_picture


@dataclass(frozen=True, eq=False)
class People:
    """People found in one picture, best first.

    Example:
        >>> people = searcher.find('street.jpg')
        >>> len(people), people.boxes.shape, people.scores.shape, people.feats.shape
        (4, (4, 4), (4,), (4, 256))
        >>> people.draw('found.jpg')

    Attributes:
        boxes: (n, 4) float32, x1 y1 x2 y2 in pixels of the upright picture.
        scores: (n,) float32, 0 to 1.
        feats: (n, D) float32, re-id embeddings of length 1; of a model with several features, their
            concatenation.
        picture: What the people were found in: a path, or an array (H, W, 3); None where it was not
            kept.
    """

    boxes: np.ndarray
    scores: np.ndarray
    feats: np.ndarray
    picture: str | os.PathLike | np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.boxes)

    def above(self, min_score: float) -> 'People':
        """Keep those with at least a score."""
        kept = self.scores >= min_score
        return People(self.boxes[kept], self.scores[kept], self.feats[kept], self.picture)

    def draw(self, path: str | os.PathLike | None = None) -> np.ndarray:
        """Draw the picture with everybody's box, number (as in `boxes`) and score.

        Args:
            path: Where to save it as well.

        Returns:
            (H, W, 3) uint8, BGR.

        Raises:
            ValueError: The picture was not kept.
        """
        if self.picture is None:
            raise ValueError('these people were found in a picture that was not kept')
        bboxes = np.concatenate([self.boxes, self.scores[:, None]], axis=1)
        drawn = draw_detections(as_picture(self.picture), bboxes)
        if path is not None:
            save_picture(path, drawn)
        return drawn
