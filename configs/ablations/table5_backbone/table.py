# Which stages of the backbone have deformable convolutions.
dcn = dict(type='DCNv2', deform_groups=1, fallback_on_stride=False)
table = dict(
    title='Table V: deformable convolutions in the backbone',
    reference='none',
    rows=dict(
        none=dict(label='none (AlignPS)', paper=dict(cuhk_sysu=[93.1, 93.4], prw=[45.9, 81.9])),
        res3=dict(
            label='res3',
            paper=dict(cuhk_sysu=[93.5, 93.9], prw=[45.8, 81.9]),
            model=dict(backbone=dict(dcn=dcn, stage_with_dcn=(False, True, False, False))),
        ),
        res3_4=dict(
            label='res3 - res4',
            paper=dict(cuhk_sysu=[93.5, 94.0], prw=[45.9, 82.1]),
            model=dict(backbone=dict(dcn=dcn, stage_with_dcn=(False, True, True, False))),
        ),
        res3_5=dict(
            label='res3 - res5 (AlignPS+)',
            model=dict(backbone=dict(dcn=dcn, stage_with_dcn=(False, True, True, True))),
            paper=dict(cuhk_sysu=[94.0, 94.5], prw=[46.1, 82.1]),
        ),
    ),
)
del dcn
