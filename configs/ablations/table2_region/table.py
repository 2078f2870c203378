# What FPN has in place of each change: 1 x 1 lateral, 3 x 3 output convolutions, and the sum.
table = dict(
    title='Table II: region alignment',
    reference='none',
    rows=dict(
        none=dict(
            label='none (FPN)',
            model=dict(neck=dict(lateral='conv1x1', output='conv3x3', fusion='sum')),
        ),
        lateral=dict(
            label='lateral deformable', model=dict(neck=dict(output='conv3x3', fusion='sum'))
        ),
        output=dict(
            label='output deformable', model=dict(neck=dict(lateral='conv1x1', fusion='sum'))
        ),
        concat=dict(
            label='concatenation', model=dict(neck=dict(lateral='conv1x1', output='conv3x3'))
        ),
        lateral_output=dict(label='lateral + output', model=dict(neck=dict(fusion='sum'))),
        lateral_concat=dict(
            label='lateral + concatenation', model=dict(neck=dict(output='conv3x3'))
        ),
        output_concat=dict(
            label='output + concatenation', model=dict(neck=dict(lateral='conv1x1'))
        ),
        all=dict(label='all (AlignPS)', paper=dict(cuhk_sysu=[93.1, 93.4], prw=[45.9, 81.9])),
    ),
)
