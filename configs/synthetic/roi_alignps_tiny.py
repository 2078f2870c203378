# A small ROI-AlignPS: alignps_tiny with the branch of nae_tiny. A step takes about twice as long.
_base_ = ['./alignps_tiny.py', '../_base_/models/nae_branch_tiny.py']
model = dict(
    type='ROIAlignPS',
    rpn_head={{_base_.nae_branch.rpn_head}},
    roi_head={{_base_.nae_branch.roi_head}},
    with_rpn=True,
    mutual=[dict(type='MutualInformationLoss', in_channels=128, hidden_channels=64)],
    train_cfg={{_base_.nae_branch.train_cfg}},
)
# Copied into the model above; an override here would reach nothing.
nae_branch = None
