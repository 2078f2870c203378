# The loss on embeddings.
table = dict(
    title='Table IV: re-id loss',
    reference='oim',
    rows=dict(
        oim=dict(label='OIM', model=dict(bbox_head=dict(loss_reid=dict(triplet=None)))),
        toim_no_lut=dict(
            label='TOIM without LUT', model=dict(bbox_head=dict(loss_reid=dict(use_lut=False)))
        ),
        toim=dict(
            label='TOIM with LUT (AlignPS)',
            paper=dict(cuhk_sysu=[93.1, 93.4], prw=[45.9, 81.9]),
        ),
    ),
)
