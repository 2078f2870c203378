# What CUHK-SYSU and PRW have in common: pipelines, sizes, the batch. Each names its own release.
img_norm_cfg = dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], to_rgb=False)
train_pipeline = [
    dict(type='LoadSceneImage'),
    dict(type='LoadPersonAnnotations'),
    # The longer side is drawn evenly from 667 to 2000 (paper, section IV-B): with a square scale
    # the longer side decides. multiscale_mode='range' would draw the two sides apart.
    dict(type='Resize', img_scale=(2000, 2000), ratio_range=(667 / 2000, 1.0), keep_ratio=True),
    dict(type='RandomFlip', flip_ratio=0.5),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='Pad', size_divisor=32),
    dict(type='DefaultFormatBundle'),
    dict(type='ToTensor', keys=['gt_pids']),
    dict(type='ToDataContainer', fields=[dict(key='gt_pids')]),
    dict(type='Collect', keys=['img', 'gt_bboxes', 'gt_labels', 'gt_pids']),
]
test_pipeline = [
    dict(type='LoadSceneImage'),
    dict(
        type='MultiScaleFlipAug',
        img_scale=(1500, 900),
        flip=False,
        transforms=[
            dict(type='Resize', keep_ratio=True),
            dict(type='RandomFlip'),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='Pad', size_divisor=32),
            dict(type='DefaultFormatBundle'),
            dict(type='Collect', keys=['img']),
        ],
    ),
]
test_set = dict(ann_file='test.json', pipeline=test_pipeline)
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=4,
    train=dict(ann_file='train.json', pipeline=train_pipeline),
    val=test_set,
    test=test_set,
)
evaluation = dict(interval=1, metric=['search', 'detection'], save_best='mAP')
