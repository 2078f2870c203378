# A small ROI-AlignPS: alignps_tiny with the branch of nae_tiny. Five epochs take the CPU
# time of the seven of alignps_tiny.
_base_ = ['./alignps_tiny.py', '../_base_/models/nae_branch_tiny.py']
model = dict(
    type='ROIAlignPS',
    # The weights of its losses were chosen with towers that start at FCOS's own deviation.
    bbox_head=dict(init_cfg=dict(std=0.01)),
    rpn_head={{_base_.nae_branch.rpn_head}},
    roi_head={{_base_.nae_branch.roi_head}},
    with_rpn=True,
    mutual=[dict(type='MutualInformationLoss')],
    train_cfg={{_base_.nae_branch.train_cfg}},
)
# Copied into the model above; an override here would reach nothing.
nae_branch = None
# The projections are normalised after, so their small weights turn fast at the full rate.
optimizer = dict(paramwise_cfg=dict(custom_keys=dict(embedding_head=dict(lr_mult=0.2))))
runner = dict(max_epochs=5)
evaluation = dict(interval=5)
