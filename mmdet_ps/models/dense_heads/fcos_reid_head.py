"""FCOS head (Tian et al., ICCV 2019) that also gives a re-id embedding at each point.

Shapes: N images, L levels, D embedding size, M positive points of the batch.
"""

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmcv.runner import force_fp32
from mmdet.models import HEADS, build_loss
from mmdet.models.dense_heads import FCOSHead
from mmdet.models.dense_heads.anchor_free_head import AnchorFreeHead
from torch import Tensor, nn

from mmdet_ps.models.layers import nms_people
from mmdet_ps.models.losses.toim_loss import People

REID_SOURCES = ('neck', 'reg_tower', 'cls_tower', 'own_tower')


@HEADS.register_module()
class FCOSReIDHead(FCOSHead):
    """FCOS's detection towers beside a re-id embedding; by default the embedding comes first.

    Args:
        reid_from: What the embedding is read from (Table III of arXiv 2109.00211): ``'neck'``, the
            map that the towers read as well (re-id first); ``'reg_tower'`` (T1), ``'cls_tower'``
            (T2) or ``'own_tower'`` (T3), each followed by a 3 x 3 convolution.
        subtract_mean: Whether each map's spatial mean over the padded picture is subtracted before
            anything reads it, as the authors' code does.
        loss_reid: Config of the loss on embeddings, `TOIMLoss`; None for none.
        **kwargs: Arguments of mmdet's ``FCOSHead``.
    """

    def __init__(
        self,
        *args: object,
        reid_from: str = 'neck',
        subtract_mean: bool = True,
        loss_reid: dict | None = None,
        **kwargs: object,
    ) -> None:
        if reid_from not in REID_SOURCES:
            raise ValueError(
                f'reid_from={reid_from!r} of FCOSReIDHead: allowed are {", ".join(REID_SOURCES)}'
            )
        self.reid_from = reid_from
        self.subtract_mean = subtract_mean
        super().__init__(*args, **kwargs)
        self.loss_reid = None if loss_reid is None else build_loss(loss_reid)

    def _init_layers(self) -> None:
        super()._init_layers()
        if self.reid_from == 'own_tower':
            self.reid_convs = nn.Sequential(
                *(
                    ConvModule(
                        self.feat_channels if i else self.in_channels,
                        self.feat_channels,
                        3,
                        padding=1,
                        conv_cfg=self.conv_cfg,
                        norm_cfg=self.norm_cfg,
                        bias=self.conv_bias,
                    )
                    for i in range(self.stacked_convs)
                )
            )
        if self.reid_from != 'neck':
            self.conv_reid = nn.Conv2d(self.feat_channels, self.feat_channels, 3, padding=1)

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[list[Tensor], ...]:
        """Predict from each level.

        Args:
            feats: L maps of the neck, (N, C, H_l, W_l).

        Returns:
            Lists over levels: class scores (N, 1, H_l, W_l), box distances (N, 4, H_l, W_l),
            centerness (N, 1, H_l, W_l), re-id embeddings (N, D, H_l, W_l) before normalisation.
        """
        return super().forward(feats)

    def forward_single(
        self, x: Tensor, scale: nn.Module, stride: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predict from one level; see `forward`."""
        if self.subtract_mean:
            x = x - x.mean(dim=(2, 3), keepdim=True)
        cls_score, bbox_pred, cls_feat, reg_feat = AnchorFreeHead.forward_single(self, x)
        centerness = self.conv_centerness(reg_feat if self.centerness_on_reg else cls_feat)
        # float32: the exponential overflows in half precision.
        bbox_pred = scale(bbox_pred).float()
        if not self.norm_on_bbox:
            bbox_pred = bbox_pred.exp()
        elif self.training:
            bbox_pred = bbox_pred.clamp(min=0)
        else:
            bbox_pred = bbox_pred.clamp(min=0) * stride
        return cls_score, bbox_pred, centerness, self._embedding(x, cls_feat, reg_feat)

    def _embedding(self, x: Tensor, cls_feat: Tensor, reg_feat: Tensor) -> Tensor:
        if self.reid_from == 'neck':
            return x
        if self.reid_from == 'own_tower':
            return self.conv_reid(self.reid_convs(x))
        return self.conv_reid(cls_feat if self.reid_from == 'cls_tower' else reg_feat)

    def forward_train(
        self,
        x: tuple[Tensor, ...],
        img_metas: list[dict],
        gt_bboxes: list[Tensor],
        gt_labels: list[Tensor],
        gt_bboxes_ignore: list[Tensor] | None = None,
        gt_pids: list[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Compute FCOS's losses and the re-id loss at positive points.

        Args:
            x: L maps of the neck, (N, C, H_l, W_l).
            img_metas: One dict an image.
            gt_bboxes: N tensors (G_i, 4), xyxy pixels of the resized image.
            gt_labels: N tensors (G_i,) int64, all 0.
            gt_bboxes_ignore: Not used by FCOS.
            gt_pids: N tensors (G_i,) int64, -1 = no identity; needed with a re-id loss.

        Returns:
            ``loss_cls``, ``loss_bbox``, ``loss_centerness`` and the re-id loss's own names.
        """
        return self.losses_and_people(
            self(x), img_metas, gt_bboxes, gt_labels, gt_bboxes_ignore, gt_pids
        )[0]

    def losses_and_people(
        self,
        outs: tuple[list[Tensor], ...],
        img_metas: list[dict],
        gt_bboxes: list[Tensor],
        gt_labels: list[Tensor],
        gt_bboxes_ignore: list[Tensor] | None = None,
        gt_pids: list[Tensor] | None = None,
    ) -> tuple[dict[str, Tensor], People | None]:
        """Compute the losses of what `forward` gave; the other arguments are `forward_train`'s.

        Returns:
            Losses by name; the people at positive points, None without a re-id loss.
        """
        *predictions, reid_maps = outs
        losses = self.loss(*predictions, gt_bboxes, gt_labels, img_metas, gt_bboxes_ignore)
        if self.loss_reid is None:
            return losses, None
        reid_losses, people = self.loss_reid.losses_and_people(
            *self.positive_embeddings(reid_maps, gt_bboxes, gt_pids)
        )
        return losses | reid_losses, people

    @torch.no_grad()
    def get_proposals(
        self, outs: tuple[list[Tensor], ...], img_metas: list[dict], cfg: dict | None = None
    ) -> list[Tensor]:
        """Detect in the middle of a training step, for a RoI branch to train on.

        Args:
            outs: What `forward` gave, in training or evaluation.
            img_metas: N dicts with ``img_shape``.
            cfg: As in `get_bboxes`.

        Returns:
            N tensors (n_i, 5), xyxy and score in pixels of the resized image, without gradient.
        """
        cls_scores, bbox_preds, centernesses, reid_maps = outs
        if self.training and self.norm_on_bbox:
            # Distances are in strides while training, in pixels otherwise.
            bbox_preds = [
                pred * stride for pred, stride in zip(bbox_preds, self.strides, strict=True)
            ]
        found = self.get_bboxes(cls_scores, bbox_preds, centernesses, reid_maps, img_metas, cfg)
        return [dets for dets, _ in found]

    def positive_embeddings(
        self, reid_maps: list[Tensor], gt_bboxes: list[Tensor], gt_pids: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Collect embeddings at the points that FCOS assigns to people, image by image.

        Args:
            reid_maps: L maps (N, D, H_l, W_l).
            gt_bboxes: N tensors (G_i, 4), xyxy pixels of the resized image.
            gt_pids: N tensors (G_i,) int64, -1 = no identity.

        Returns:
            Embeddings (M, D) and pids (M,) int64; the order is that of images, then levels, then
            rows of the map, so that images on several processes line up as in one batch.
        """
        points = self.prior_generator.grid_priors(
            [reid.shape[-2:] for reid in reid_maps],
            dtype=torch.float32,
            device=reid_maps[0].device,
        )
        # `get_targets` marks background with num_classes, so pids move beyond that number.
        shift = self.num_classes + 2
        codes, _ = self.get_targets(points, gt_bboxes, [pids + shift for pids in gt_pids])
        num_images = reid_maps[0].shape[0]
        codes = torch.cat([level.view(num_images, -1) for level in codes], dim=1)
        feats = torch.cat([reid.flatten(2).transpose(1, 2) for reid in reid_maps], dim=1)
        positive = codes != self.num_classes
        return feats[positive], codes[positive] - shift

    @force_fp32(apply_to=('cls_scores', 'bbox_preds', 'centernesses', 'reid_maps'))
    def get_bboxes(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        centernesses: list[Tensor],
        reid_maps: list[Tensor],
        img_metas: list[dict],
        cfg: dict | None = None,
    ) -> list[tuple[Tensor, Tensor]]:
        """Turn a batch of predictions into people.

        Candidates are ranked by classification times centerness, as in the authors' FCOS; the
        threshold on the class score comes before centerness is multiplied in.

        Args:
            cls_scores: L maps (N, 1, H_l, W_l) of logits.
            bbox_preds: L maps (N, 4, H_l, W_l), distances in pixels.
            centernesses: L maps (N, 1, H_l, W_l) of logits.
            reid_maps: L maps (N, D, H_l, W_l).
            img_metas: N dicts with ``img_shape``.
            cfg: ``nms_pre`` (candidates a level), ``score_thr``, ``nms``, ``max_per_img``; the
                head's test_cfg by default.

        Returns:
            An image: (n, 5) xyxy and score in pixels of the resized image, best first, and their
            embeddings (n, D), L2-normalised.
        """
        cfg = self.test_cfg if cfg is None else cfg
        points = self.prior_generator.grid_priors(
            [score.shape[-2:] for score in cls_scores],
            dtype=torch.float32,
            device=cls_scores[0].device,
        )
        results = []
        for image, meta in enumerate(img_metas):
            levels = []
            for level, level_points in enumerate(points):
                scores = cls_scores[level][image].flatten().sigmoid()
                centerness = centernesses[level][image].flatten().sigmoid()
                distances = bbox_preds[level][image].flatten(1).t()
                feats = reid_maps[level][image].flatten(1).t()
                _, best = (scores * centerness).topk(min(cfg['nms_pre'], len(scores)))
                boxes = self.bbox_coder.decode(
                    level_points[best], distances[best], max_shape=meta['img_shape']
                )
                levels.append((boxes, scores[best], centerness[best], feats[best]))
            boxes, scores, centerness, feats = (
                torch.cat(parts) for parts in zip(*levels, strict=True)
            )
            dets, feats = nms_people(boxes, scores, feats, cfg, score_factors=centerness)
            results.append((dets, F.normalize(feats)))
        return results

    def box_embeddings(self, reid_maps: list[Tensor], boxes: list[Tensor]) -> list[Tensor]:
        """Read the embedding of given boxes: the map at the box's centre, bilinear.

        With several levels, a box is read from the level that FCOS would train it on (by its
        longest side's half against ``regress_ranges``).

        Args:
            reid_maps: L maps (N, D, H_l, W_l).
            boxes: N tensors (n_i, 4), xyxy pixels of the resized image.

        Returns:
            N tensors (n_i, D), L2-normalised.
        """
        embeddings = []
        for image, image_boxes in enumerate(boxes):
            centres = (image_boxes[:, :2] + image_boxes[:, 2:4]) / 2
            reach = (image_boxes[:, 2:4] - image_boxes[:, :2]).amax(dim=1) / 2
            read = []
            for reid, stride in zip(reid_maps, self.strides, strict=True):
                height, width = reid.shape[-2:]
                size = centres.new_tensor([width, height]) * stride
                grid = (2 * centres / size - 1)[None, None].to(reid.dtype)
                sampled = F.grid_sample(
                    reid[image : image + 1], grid, padding_mode='border', align_corners=False
                )
                read.append(sampled[0, :, 0].t().float())
            starts = centres.new_tensor([low for low, _ in self.regress_ranges[1:]])
            level = torch.bucketize(reach, starts)
            feats = torch.stack(read)[level, torch.arange(len(level), device=level.device)]
            embeddings.append(F.normalize(feats))
        return embeddings
