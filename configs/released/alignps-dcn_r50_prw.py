# The published AlignPS+ for PRW: deformable convolutions in res3 - res5 of the backbone.
_base_ = './alignps_r50_prw.py'
model = dict(
    backbone=dict(
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False, operator_on_cpu=True),
        stage_with_dcn=(False, True, True, True),
    )
)
optimizer = dict(weight_decay=0.0007)
