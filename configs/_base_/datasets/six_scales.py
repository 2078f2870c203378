# Training pipeline of the published models: one of six sizes for each picture, ratio kept. A leaf
# sets it as data.train.pipeline; it is the same for CUHK-SYSU and PRW.
six_scales_pipeline = [
    dict(type='LoadSceneImage'),
    dict(type='LoadPersonAnnotations'),
    dict(
        type='Resize',
        img_scale=[
            (667, 400),
            (1000, 600),
            (1333, 800),
            (1500, 900),
            (1666, 1000),
            (2000, 1200),
        ],
        multiscale_mode='value',
        keep_ratio=True,
    ),
    dict(type='RandomFlip', flip_ratio=0.5),
    dict(type='Normalize', mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], to_rgb=False),
    dict(type='Pad', size_divisor=32),
    dict(type='DefaultFormatBundle'),
    dict(type='ToTensor', keys=['gt_pids']),
    dict(type='ToDataContainer', fields=[dict(key='gt_pids')]),
    dict(type='Collect', keys=['img', 'gt_bboxes', 'gt_labels', 'gt_pids']),
]
