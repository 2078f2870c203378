# A small ROI-AlignPS: alignps_tiny with the branch of nae_tiny. A step takes 1.3 times as long on
# a CPU, so five epochs take the time of seven.
_base_ = ['./alignps_tiny.py', '../_base_/models/nae_branch_tiny.py']
model = dict(
    type='ROIAlignPS',
    rpn_head={{_base_.nae_branch.rpn_head}},
    roi_head={{_base_.nae_branch.roi_head}},
    with_rpn=True,
    mutual=[dict(type='MutualInformationLoss')],
    train_cfg={{_base_.nae_branch.train_cfg}},
)
# Copied into the model above; an override here would reach nothing.
nae_branch = None
runner = dict(max_epochs=5)
evaluation = dict(interval=5)
