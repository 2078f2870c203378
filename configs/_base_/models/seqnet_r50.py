# SeqNet: a plain Faster R-CNN head, whose boxes go to the head of NAE. Weights of losses,
# thresholds and limits are those of the authors' code; num_pids and queue_size belong to the
# dataset.
import mmcv

_base_ = './nae_r50.py'
# What begins with two underscores is no part of the config.
__first = mmcv.Config.fromfile('{{ fileDirname }}/oim_r50.py').model.roi_head
__first.bbox_head.update(loss_reid=None)
__first.bbox_head.loss_bbox.update(loss_weight=10.0)
model = dict(
    roi_head=dict(
        type='SequentialRoIHead',
        first=__first,
        bbox_head=dict(loss_bbox=dict(loss_weight=1.0)),
    ),
    train_cfg=dict(rcnn=dict(assigner=dict(neg_iou_thr=0.5))),
    test_cfg=dict(
        rcnn=dict(
            first=dict(score_thr=0.5, nms=dict(type='nms', iou_threshold=0.4), max_per_img=300),
            score_thr=0.5,
            nms=dict(iou_threshold=0.5),
            max_per_img=300,
        )
    ),
)
