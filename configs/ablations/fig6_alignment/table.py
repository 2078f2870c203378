# What each alignment adds to FCOS with an FPN and a re-id tower of its own, beside its others.
fpn = dict(lateral='conv1x1', output='conv3x3', fusion='sum')
levels = dict(out_levels=[3, 4, 5, 6, 7])
fcos = dict(
    strides=[8, 16, 32, 64, 128],
    regress_ranges=((-1, 64), (64, 128), (128, 256), (256, 512), (512, 1e8)),
)
tower = dict(reid_from='own_tower')
table = dict(
    title='Fig. 6: scale (SA), region (RA) and task alignment (TA)',
    reference='baseline',
    rows=dict(
        baseline=dict(
            label='baseline',
            # The text says what the three are worth together: 23 and 26.1 points of mAP.
            paper=dict(cuhk_sysu=[70.1], prw=[19.8]),
            about=True,
            model=dict(neck=dict(**fpn, **levels), bbox_head=dict(**fcos, **tower)),
        ),
        sa=dict(label='+ SA', model=dict(neck=fpn, bbox_head=tower)),
        ra=dict(label='+ RA', model=dict(neck=levels, bbox_head=dict(**fcos, **tower))),
        ta=dict(label='+ TA', model=dict(neck=dict(**fpn, **levels), bbox_head=fcos)),
        sa_ra=dict(label='+ SA + RA', model=dict(bbox_head=tower)),
        sa_ta=dict(label='+ SA + TA', model=dict(neck=fpn)),
        ra_ta=dict(label='+ RA + TA', model=dict(neck=levels, bbox_head=fcos)),
        all=dict(
            label='+ SA + RA + TA (AlignPS)', paper=dict(cuhk_sysu=[93.1, 93.4], prw=[45.9, 81.9])
        ),
    ),
)
del fpn, levels, fcos, tower
