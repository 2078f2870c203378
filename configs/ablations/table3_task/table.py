# Where the re-id embedding is read from.
table = dict(
    title='Table III: task alignment',
    reference='t3',
    rows=dict(
        t1=dict(
            label='T1: regression tower',
            paper=dict(cuhk_sysu=[80.3, 79.2, 87.5, 79.0], prw=[35.5, 67.4, 94.3, 92.5]),
            model=dict(bbox_head=dict(reid_from='reg_tower')),
        ),
        t2=dict(
            label='T2: classification tower',
            paper=dict(cuhk_sysu=[77.1, 75.9, 89.1, 78.6], prw=[31.8, 64.3, 96.9, 92.8]),
            model=dict(bbox_head=dict(reid_from='cls_tower')),
        ),
        t3=dict(
            label='T3: own tower',
            paper=dict(cuhk_sysu=[80.7, 80.2, 90.1, 81.4], prw=[35.8, 69.1, 94.5, 92.6]),
            model=dict(bbox_head=dict(reid_from='own_tower')),
        ),
        reid_first=dict(
            label='re-id first (AlignPS)',
            paper=dict(cuhk_sysu=[93.1, 93.4, 90.3, 81.2], prw=[45.9, 81.9, 94.8, 92.9]),
        ),
    ),
)
