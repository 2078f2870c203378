# The losses between the branches, each with its default weight.
mi = dict(type='MutualInformationLoss')
kl = dict(type='KLMutualLoss')
dv = dict(type='DiversityLoss')
table = dict(
    title='Table VII: mutual learning in ROI-AlignPS',
    reference='none',
    rows=dict(
        none=dict(
            label='none',
            paper=dict(cuhk_sysu=[95.0, 95.3], prw=[50.3, 84.3]),
            model=dict(mutual=[]),
        ),
        mi=dict(label='L_mi (ROI-AlignPS)', paper=dict(cuhk_sysu=[95.4, 96.0], prw=[51.6, 84.4])),
        kl=dict(
            label='L_kl',
            paper=dict(cuhk_sysu=[95.3, 95.9], prw=[50.4, 85.3]),
            model=dict(mutual=[kl]),
        ),
        dv=dict(
            label='L_dv',
            paper=dict(cuhk_sysu=[95.2, 95.6], prw=[50.4, 84.9]),
            model=dict(mutual=[dv]),
        ),
        mi_kl=dict(
            label='L_mi + L_kl',
            paper=dict(cuhk_sysu=[95.4, 95.8], prw=[51.1, 84.0]),
            model=dict(mutual=[mi, kl]),
        ),
        mi_dv=dict(
            label='L_mi + L_dv',
            paper=dict(cuhk_sysu=[95.1, 95.6], prw=[50.4, 84.5]),
            model=dict(mutual=[mi, dv]),
        ),
        kl_dv=dict(
            label='L_kl + L_dv',
            paper=dict(cuhk_sysu=[95.4, 95.8], prw=[50.0, 84.6]),
            model=dict(mutual=[kl, dv]),
        ),
        mi_kl_dv=dict(
            label='L_mi + L_kl + L_dv',
            paper=dict(cuhk_sysu=[95.1, 95.3], prw=[51.4, 85.2]),
            model=dict(mutual=[mi, kl, dv]),
        ),
    ),
)
del mi, kl, dv
