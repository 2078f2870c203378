# The loss on embeddings.
table = dict(
    title='Table IV: re-id loss',
    reference='oim',
    rows=dict(
        oim=dict(
            label='OIM',
            paper=dict(cuhk_sysu=[92.4, 92.9], prw=[45.7, 81.8]),
            model=dict(bbox_head=dict(loss_reid=dict(triplet=None))),
        ),
        toim_no_lut=dict(
            label='TOIM without LUT',
            paper=dict(cuhk_sysu=[92.8, 93.2], prw=[45.8, 81.8]),
            model=dict(bbox_head=dict(loss_reid=dict(use_lut=False))),
        ),
        toim=dict(
            label='TOIM with LUT (AlignPS)',
            paper=dict(cuhk_sysu=[93.1, 93.4], prw=[45.9, 81.9]),
        ),
    ),
)
