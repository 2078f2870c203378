# The published AlignPS+ for CUHK-SYSU: deformable convolutions in res3 - res5 of the backbone.
_base_ = './alignps_r50_cuhk.py'
model = dict(
    backbone=dict(
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False, operator_on_cpu=True),
        stage_with_dcn=(False, True, True, True),
    )
)
