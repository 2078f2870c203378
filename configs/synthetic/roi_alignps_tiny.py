# A small ROI-AlignPS: alignps_tiny with the branch of nae_tiny. Five epochs take the CPU
# time of the seven of alignps_tiny.
import mmcv

_base_ = './alignps_tiny.py'
# What begins with two underscores is no part of the config.
__branch = mmcv.Config.fromfile('{{ fileDirname }}/../_base_/models/nae_branch_tiny.py')
model = dict(
    type='ROIAlignPS',
    # The weights of its losses were chosen with towers that start at FCOS's own deviation.
    bbox_head=dict(init_cfg=dict(std=0.01)),
    rpn_head=__branch.rpn_head,
    roi_head=__branch.roi_head,
    with_rpn=True,
    mutual=[dict(type='MutualInformationLoss')],
    train_cfg=__branch.train_cfg,
)
# The projections are normalised after, so their small weights turn fast at the full rate.
optimizer = dict(paramwise_cfg=dict(custom_keys=dict(embedding_head=dict(lr_mult=0.2))))
runner = dict(max_epochs=5)
evaluation = dict(interval=5)
