# Which levels of the pyramid learn people, and of which sizes.
table = dict(
    title='Table I: scale alignment',
    reference='p3',
    rows=dict(
        p3=dict(label='P3 (AlignPS)', paper=dict(cuhk_sysu=[93.1, 93.4], prw=[45.9, 81.9])),
        p4=dict(label='P4', model=dict(neck=dict(out_levels=[4]), bbox_head=dict(strides=[16]))),
        p5=dict(label='P5', model=dict(neck=dict(out_levels=[5]), bbox_head=dict(strides=[32]))),
        p3_p4=dict(
            label='P3, P4',
            model=dict(
                neck=dict(out_levels=[3, 4]),
                bbox_head=dict(strides=[8, 16], regress_ranges=((-1, 128), (128, 1e8))),
            ),
        ),
        p3_p4_p5=dict(
            label='P3, P4, P5',
            model=dict(
                neck=dict(out_levels=[3, 4, 5]),
                bbox_head=dict(
                    strides=[8, 16, 32],
                    regress_ranges=((-1, 128), (128, 256), (256, 1e8)),
                ),
            ),
        ),
    ),
)
