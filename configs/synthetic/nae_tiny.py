# A small NAE that learns the drawn scenes from scratch on two CPU cores in minutes. Eleven epochs
# take 1.2 times the CPU time of the seven of alignps_tiny.
_base_ = [
    '../_base_/models/nae_branch_tiny.py',
    '../_base_/datasets/synthetic.py',
    '../_base_/schedules/adamw_tiny.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='NAE',
    backbone=dict(
        type='ResNet',
        depth=18,
        base_channels=24,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
    ),
    rpn_head={{_base_.nae_branch.rpn_head}},
    roi_head={{_base_.nae_branch.roi_head}},
    train_cfg={{_base_.nae_branch.train_cfg}},
    test_cfg=dict(
        rpn=dict(
            nms_pre=1000,
            max_per_img=100,
            nms=dict(type='nms', iou_threshold=0.7),
            min_bbox_size=0,
        ),
        rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100),
    ),
)
# Copied into the model above; an override here would reach nothing.
nae_branch = None
# The projections are normalised after, so their small weights turn fast at the full rate.
optimizer = dict(paramwise_cfg=dict(custom_keys=dict(projectors=dict(lr_mult=0.2))))
runner = dict(max_epochs=11)
evaluation = dict(interval=11)
