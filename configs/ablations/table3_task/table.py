# Where the re-id embedding is read from.
table = dict(
    title='Table III: task alignment',
    reference='t3',
    rows=dict(
        t1=dict(label='T1: regression tower', model=dict(bbox_head=dict(reid_from='reg_tower'))),
        t2=dict(
            label='T2: classification tower', model=dict(bbox_head=dict(reid_from='cls_tower'))
        ),
        t3=dict(label='T3: own tower', model=dict(bbox_head=dict(reid_from='own_tower'))),
        reid_first=dict(
            label='re-id first (AlignPS)', paper=dict(cuhk_sysu=[93.1, 93.4], prw=[45.9, 81.9])
        ),
    ),
)
