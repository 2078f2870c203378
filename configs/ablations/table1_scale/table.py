# Which levels of the pyramid learn people, and of which sizes.
table = dict(
    title='Table I: scale alignment',
    reference='p3',
    rows=dict(
        p3=dict(
            label='P3 (AlignPS)',
            paper=dict(cuhk_sysu=[93.1, 93.4, 90.3, 81.2], prw=[45.9, 81.9, 94.8, 92.9]),
        ),
        p4=dict(
            label='P4',
            model=dict(neck=dict(out_levels=[4]), bbox_head=dict(strides=[16])),
            paper=dict(cuhk_sysu=[92.7, 93.1, 87.5, 78.7], prw=[41.4, 77.5, 93.4, 91.8]),
        ),
        p5=dict(
            label='P5',
            model=dict(neck=dict(out_levels=[5]), bbox_head=dict(strides=[32])),
            paper=dict(cuhk_sysu=[89.3, 89.5, 79.0, 71.7], prw=[25.3, 57.4, 85.7, 83.7]),
        ),
        p3_p4=dict(
            label='P3, P4',
            paper=dict(cuhk_sysu=[91.1, 91.6, 90.4, 80.5], prw=[40.8, 77.1, 94.7, 92.9]),
            model=dict(
                neck=dict(out_levels=[3, 4]),
                bbox_head=dict(strides=[8, 16], regress_ranges=((-1, 128), (128, 1e8))),
            ),
        ),
        p3_p4_p5=dict(
            label='P3, P4, P5',
            paper=dict(cuhk_sysu=[90.0, 90.5, 90.9, 80.4], prw=[39.5, 74.3, 95.4, 93.5]),
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
