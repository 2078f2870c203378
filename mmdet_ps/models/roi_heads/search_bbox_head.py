"""Box heads that also give a re-id embedding.

Shapes: R RoIs, D embedding size, C classes and background of the head's own kind.
"""

from mmdet.models import build_loss
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from torch import Tensor

from mmdet_ps.models.layers import nms_people


class SearchBBoxHead(BBoxHead):
    """What box heads of person search share; a subclass pools and predicts in its ``forward``.

    That takes the maps of a batch's RoIs on C4 (R, C4, h, w) and after res5 (R, C5, h', w'), and
    gives class scores (R, C) before sigmoid or softmax, box deltas (R, 4) and unit embeddings
    (R, D).

    Args:
        loss_reid: Config of the loss on unit embeddings, `TOIMLoss`; None for a head that only
            detects, whose embeddings have no channel.
        **kwargs: Arguments of mmdet's ``BBoxHead``.
    """

    def __init__(self, loss_reid: dict | None, **kwargs: object) -> None:
        super().__init__(roi_feat_size=1, num_classes=1, **kwargs)
        self.loss_reid = None if loss_reid is None else build_loss(loss_reid)

    def loss(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Compute the detection losses as mmdet's ``BBoxHead``, without its accuracy.

        Returns:
            ``loss_cls`` over the RoIs of weight above 0 and ``loss_bbox`` over all RoIs; each 0
            with a gradient path where there is none.
        """
        losses = super().loss(*args, **kwargs)
        return dict(loss_cls=losses['loss_cls'], loss_bbox=losses['loss_bbox'])

    def scores(self, cls_score: Tensor) -> Tensor:
        """Turn class scores (R, C) into how sure a RoI is to be a person, (R,), 0 to 1."""
        by_class = cls_score.sigmoid() if self.loss_cls.use_sigmoid else cls_score.softmax(dim=1)
        return by_class[:, 0]

    def get_bboxes(
        self,
        rois: Tensor,
        scores: Tensor,
        deltas: Tensor,
        embeddings: Tensor,
        img_shape: tuple[int, ...],
        cfg: dict,
    ) -> tuple[Tensor, Tensor]:
        """Turn the predictions for an image into people.

        Args:
            rois: (R, 5), image index and xyxy.
            scores: (R,), of `scores` or another head's.
            deltas: (R, 4).
            embeddings: (R, D), unit length.
            img_shape: Height and width that boxes are clipped to.
            cfg: ``score_thr``, ``nms``, ``max_per_img``.

        Returns:
            (n, 5) xyxy and score in pixels of the resized image, best first, and their embeddings
            (n, D).
        """
        boxes = self.bbox_coder.decode(rois[:, 1:], deltas, max_shape=img_shape)
        return nms_people(boxes, scores, embeddings, cfg)
