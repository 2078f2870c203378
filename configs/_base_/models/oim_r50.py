# The detector that OIM came with (Xiao et al., CVPR 2017), on backbone, RPN and NMS of nae_r50.py.
# Sampling of RoIs, which the paper leaves open, is that of the authors' code.
_base_ = './nae_r50.py'
model = dict(
    roi_head=dict(
        bbox_head=dict(
            _delete_=True,
            type='OIMBBoxHead',
            in_channels=2048,
            feat_channels=256,
            bbox_coder=dict(
                type='DeltaXYWHBBoxCoder',
                target_means=[0.0, 0.0, 0.0, 0.0],
                target_stds=[0.1, 0.1, 0.2, 0.2],
            ),
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0),
            loss_reid=dict(
                type='TOIMLoss',
                oim=dict(
                    num_pids=5532,
                    queue_size=5000,
                    feat_channels=256,
                    temperature=0.1,
                    momentum=0.5,
                    normalize_table=True,
                    focal_gamma=0.0,
                    average='labelled',
                    loss_weight=1.0,
                ),
                triplet=None,
            ),
        ),
    ),
    train_cfg=dict(
        rcnn=dict(assigner=dict(neg_iou_thr=0.5), sampler=dict(pos_fraction=0.25)),
    ),
)
