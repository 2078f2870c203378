# ROI-AlignPS as in the paper (section III-D), with L_mi between the branches; num_pids and
# queue_size belong to the dataset.
_base_ = ['./alignps_r50.py', './nae_branch.py']
model = dict(
    type='ROIAlignPS',
    rpn_head={{_base_.nae_branch.rpn_head}},
    roi_head={{_base_.nae_branch.roi_head}},
    with_rpn=True,
    mutual=[
        dict(
            type='MutualInformationLoss',
            estimator_turns=2,
            loss_weight=0.2,
        )
    ],
    train_cfg={{_base_.nae_branch.train_cfg}},
)
# Copied into the model above; an override here would reach nothing.
nae_branch = None
