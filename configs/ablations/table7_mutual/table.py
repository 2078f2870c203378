# The losses between the branches, each with its default weight.
mi = dict(type='MutualInformationLoss')
kl = dict(type='KLMutualLoss')
dv = dict(type='DiversityLoss')
table = dict(
    title='Table VII: mutual learning in ROI-AlignPS',
    reference='none',
    rows=dict(
        none=dict(label='none', model=dict(mutual=[])),
        mi=dict(label='L_mi (ROI-AlignPS)', paper=dict(cuhk_sysu=[95.4, 96.0], prw=[51.6, 84.4])),
        kl=dict(label='L_kl', model=dict(mutual=[kl])),
        dv=dict(label='L_dv', model=dict(mutual=[dv])),
        mi_kl=dict(label='L_mi + L_kl', model=dict(mutual=[mi, kl])),
        mi_dv=dict(label='L_mi + L_dv', model=dict(mutual=[mi, dv])),
        kl_dv=dict(label='L_kl + L_dv', model=dict(mutual=[kl, dv])),
        mi_kl_dv=dict(label='L_mi + L_kl + L_dv', model=dict(mutual=[mi, kl, dv])),
    ),
)
del mi, kl, dv
