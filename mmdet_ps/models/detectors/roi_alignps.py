"""ROI-AlignPS: AlignPS and a RoI-Align branch on shared layers (arXiv 2109.00211, III-D)."""

from mmdet.models import DETECTORS, HEADS, LOSSES
from torch import Tensor, nn

from mmdet_ps.models.losses.identity_means import common_identity_means
from mmdet_ps.models.losses.toim_loss import People

from .alignps import AlignPS
from .search_mixin import ROI_ALIGN, NamedFeats, check_pids_given

# Stage of the ResNet whose map is C4.
_C4_STAGE = 2


@DETECTORS.register_module()
class ROIAlignPS(AlignPS):
    """Both branches read the backbone's C4; AlignPS goes on with its res5, RoIs have their own.

    In a test AlignPS finds the people, and the RoI branch describes its boxes; the RPN does not
    run. Features are named ``'alignps'`` and ``'roi_align'``. Where the AlignPS branch has no
    re-id loss and so only detects (``loss_reid=None`` of its head, "ROI-Align*" in Table VI), only
    ``'roi_align'`` is given.

    Args:
        roi_head: Config of `SearchRoIHead`.
        rpn_head: Config of mmdet's ``RPNHead``.
        with_rpn: Whether the RoI branch trains on the proposals of an RPN (Fig. 5a). Without one
            it trains on what AlignPS detects in the same step (``train_cfg['roi_proposal']``,
            ``test_cfg`` by default) and the ground truth.
        mutual: Configs of losses between the branches, any of `MutualInformationLoss`,
            `KLMutualLoss`, `DiversityLoss`; they are sized for the branches' features.
        train_cfg: ``rpn``, ``rpn_proposal``, ``rcnn`` as in mmdet's two-stage detectors.
        test_cfg: As in `AlignPS`.
        **kwargs: Arguments of `AlignPS`.

    Raises:
        ValueError: Mutual losses without a re-id loss in the AlignPS branch, or one kind twice.
    """

    def __init__(
        self,
        *args: object,
        roi_head: dict,
        rpn_head: dict | None = None,
        with_rpn: bool = True,
        mutual: list[dict] = (),
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(*args, train_cfg=train_cfg, test_cfg=test_cfg, **kwargs)
        if with_rpn and rpn_head is None:
            raise ValueError('ROIAlignPS(with_rpn=True) needs rpn_head: give one or with_rpn=False')
        self.with_rpn = with_rpn
        cfg = train_cfg or {}
        if with_rpn:
            self.rpn_head = HEADS.build(
                rpn_head, default_args=dict(train_cfg=cfg.get('rpn'), test_cfg=None)
            )
        self.roi_head = HEADS.build(
            roi_head, default_args=dict(train_cfg=cfg.get('rcnn'), test_cfg=None)
        )
        self.c4 = self.backbone.out_indices.index(_C4_STAGE)
        self.mutual = self._build_mutual(mutual)

    def _build_mutual(self, mutual: list[dict]) -> nn.ModuleList:
        if not mutual:
            return nn.ModuleList()
        kinds = [loss['type'] for loss in mutual]
        if len(set(kinds)) < len(kinds):
            raise ValueError(f'mutual of ROIAlignPS holds one kind of loss twice: {kinds}')
        if self.bbox_head.loss_reid is None:
            raise ValueError(
                f'mutual={kinds} of ROIAlignPS, but its AlignPS branch has no re-id features: '
                'set bbox_head.loss_reid, or mutual=[]'
            )
        sizes = tuple(
            head.loss_reid.oim.memory.table.shape[1]
            for head in (self.bbox_head, self.roi_head.bbox_head)
        )
        return nn.ModuleList(
            LOSSES.build(loss, default_args=dict(feat_channels=sizes)) for loss in mutual
        )

    def forward_train(
        self,
        img: Tensor,
        img_metas: list[dict],
        gt_bboxes: list[Tensor],
        gt_labels: list[Tensor],
        gt_bboxes_ignore: list[Tensor] | None = None,
        gt_pids: list[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of both branches and those between them.

        Takes what `AlignPS.forward_train` takes.

        Returns:
            Losses by name, the same names on every step: those of the AlignPS branch as in
            `AlignPS`, with an RPN ``loss_rpn_cls`` and ``loss_rpn_bbox``, those of the RoI branch
            after ``roi_``, and ``loss_mi``, ``loss_kl``, ``loss_dv`` where configured.
        """
        check_pids_given(gt_pids)
        maps = self.backbone(img)
        truth = (img_metas, gt_bboxes, gt_labels, gt_bboxes_ignore, gt_pids)
        outs = self.bbox_head(self.neck(maps))
        losses, alignps_people = self.bbox_head.losses_and_people(outs, *truth)
        c4 = (maps[self.c4],)
        if self.with_rpn:
            rpn_losses, proposals = self.rpn_head.forward_train(
                c4,
                img_metas,
                gt_bboxes,
                gt_bboxes_ignore=gt_bboxes_ignore,
                proposal_cfg=self.train_cfg['rpn_proposal'],
            )
            losses.update(rpn_losses)
        else:
            cfg = self.train_cfg.get('roi_proposal', self.test_cfg)
            proposals = self.bbox_head.get_proposals(outs, img_metas, cfg)
        roi_losses, roi_people = self.roi_head.losses_and_people(
            c4, img_metas, proposals, gt_bboxes, gt_labels, gt_bboxes_ignore, gt_pids
        )
        losses.update({f'roi_{name}': loss for name, loss in roi_losses.items()})
        if self.mutual:
            losses.update(self._mutual_losses(alignps_people, roi_people))
        return losses

    def _mutual_losses(self, alignps: People, roi: People) -> dict[str, Tensor]:
        """Apply the mutual losses to the people of the two branches."""
        means = common_identity_means(alignps, roi)
        known = alignps.prototypes, roi.prototypes
        return {loss.name: loss(*means, known) for loss in self.mutual}

    def _detect(self, read: tuple, img_metas: list[dict]) -> tuple[list[Tensor], NamedFeats]:
        dets, feats = super()._detect(read, img_metas)
        return dets, self._with_roi_feats(read, dets, feats)

    def _describe(self, read: tuple, boxes: list[Tensor]) -> NamedFeats:
        return self._with_roi_feats(read, boxes, super()._describe(read, boxes))

    def _with_roi_feats(self, read: tuple, boxes: list[Tensor], feats: NamedFeats) -> NamedFeats:
        if self.bbox_head.loss_reid is None:
            feats = [{} for _ in feats]
        described = self.roi_head.box_embeddings((read[0][self.c4],), boxes)
        return [
            named | {ROI_ALIGN: roi_feats}
            for named, roi_feats in zip(feats, described, strict=True)
        ]
