# What FPN has in place of each change: 1 x 1 lateral, 3 x 3 output convolutions, and the sum.
table = dict(
    title='Table II: region alignment',
    reference='none',
    rows=dict(
        none=dict(
            label='none (FPN)',
            paper=dict(cuhk_sysu=[83.4, 83.7], prw=[27.4, 62.3]),
            model=dict(neck=dict(lateral='conv1x1', output='conv3x3', fusion='sum')),
        ),
        lateral=dict(
            label='lateral deformable',
            paper=dict(cuhk_sysu=[90.6, 90.8], prw=[39.4, 74.7]),
            model=dict(neck=dict(output='conv3x3', fusion='sum')),
        ),
        output=dict(
            label='output deformable',
            paper=dict(cuhk_sysu=[91.4, 91.9], prw=[40.6, 77.0]),
            model=dict(neck=dict(lateral='conv1x1', fusion='sum')),
        ),
        concat=dict(
            label='concatenation',
            paper=dict(cuhk_sysu=[84.0, 84.1], prw=[29.1, 62.4]),
            model=dict(neck=dict(lateral='conv1x1', output='conv3x3')),
        ),
        lateral_output=dict(
            label='lateral + output',
            paper=dict(cuhk_sysu=[91.8, 92.2], prw=[42.8, 80.1]),
            model=dict(neck=dict(fusion='sum')),
        ),
        lateral_concat=dict(
            label='lateral + concatenation',
            paper=dict(cuhk_sysu=[90.7, 91.0], prw=[39.6, 75.3]),
            model=dict(neck=dict(output='conv3x3')),
        ),
        output_concat=dict(
            label='output + concatenation',
            paper=dict(cuhk_sysu=[92.0, 92.5], prw=[40.7, 77.5]),
            model=dict(neck=dict(lateral='conv1x1')),
        ),
        all=dict(label='all (AlignPS)', paper=dict(cuhk_sysu=[93.1, 93.4], prw=[45.9, 81.9])),
    ),
)
