# A small AlignPS that learns the drawn scenes from scratch on two CPU cores in minutes.
_base_ = [
    '../_base_/models/alignps_r50.py',
    '../_base_/datasets/synthetic.py',
    '../_base_/schedules/adamw_tiny.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(
        depth=18,
        base_channels=24,
        frozen_stages=-1,
        norm_cfg=dict(requires_grad=True),
        norm_eval=False,
        style='pytorch',
        init_cfg=None,
    ),
    neck=dict(in_channels=[48, 96, 192], out_channels=64),
    bbox_head=dict(
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        norm_cfg=dict(type='GN', num_groups=8),
        # AdamW moves each weight by about the rate: towers that start at FCOS's 0.01 are turned
        # over in a few steps, and a re-id feature that is read from one is the same for everyone.
        # Distances, in strides, are cut off at 0 and get no gradient there: one that starts at 0
        # and falls below it on every point stays there for good.
        init_cfg=dict(
            type='Normal',
            layer='Conv2d',
            std=0.04,
            override=[
                dict(type='Normal', name='conv_cls', std=0.01, bias_prob=0.01),
                dict(type='Normal', name='conv_reg', std=0.01, bias=3.0),
            ],
        ),
        # At weight 1 the re-id losses swamp a detector that starts from nothing.
        loss_reid=dict(
            oim=dict(num_pids=240, queue_size=300, feat_channels=64, loss_weight=0.1),
            triplet=dict(mining='hard', loss_weight=0.1),
        ),
    ),
)
evaluation = dict(interval=7)
