# ROI-AlignPS as in the paper (section III-D), with L_mi between the branches; num_pids and
# queue_size belong to the dataset.
import mmcv

_base_ = './alignps_r50.py'
# What begins with two underscores is no part of the config.
__branch = mmcv.Config.fromfile('{{ fileDirname }}/nae_branch.py')
model = dict(
    type='ROIAlignPS',
    rpn_head=__branch.rpn_head,
    roi_head=__branch.roi_head,
    with_rpn=True,
    mutual=[
        dict(
            type='MutualInformationLoss',
            estimator_turns=2,
            loss_weight=0.2,
        )
    ],
    train_cfg=__branch.train_cfg,
)
