# A small NAE that learns the drawn scenes from scratch on two CPU cores in minutes. Eleven epochs
# take 1.2 times the CPU time of the seven of alignps_tiny.
import mmcv

_base_ = [
    '../_base_/datasets/synthetic.py',
    '../_base_/schedules/adamw_tiny.py',
    '../_base_/default_runtime.py',
]
# What begins with two underscores is no part of the config.
__branch = mmcv.Config.fromfile('{{ fileDirname }}/../_base_/models/nae_branch_tiny.py')
model = dict(
    type='TwoStageSearch',
    backbone=dict(
        type='ResNet',
        depth=18,
        base_channels=24,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
    ),
    rpn_head=__branch.rpn_head,
    roi_head=__branch.roi_head,
    train_cfg=__branch.train_cfg,
    test_cfg=__branch.test_cfg,
)
# The projections are normalised after, so their small weights turn fast at the full rate.
optimizer = dict(paramwise_cfg=dict(custom_keys=dict(projectors=dict(lr_mult=0.2))))
runner = dict(max_epochs=11)
evaluation = dict(interval=11, class_weighted=True)
