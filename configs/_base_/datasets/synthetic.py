# Drawn scenes in the layout of CUHK-SYSU: tools/dataset_converters/make_synthetic.py, then
# tools/dataset_converters/cuhk_sysu.py. Pictures of 480x288 are taken as they are.
dataset_type = 'CuhkSysuDataset'
data_root = 'data/synthetic'
img_norm_cfg = dict(mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395], to_rgb=False)
train_pipeline = [
    dict(type='LoadSceneImage'),
    dict(type='LoadPersonAnnotations'),
    dict(type='RandomFlip', flip_ratio=0.5),
    dict(type='ChannelJitter', gain=0.1, shift=0.1),
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
        img_scale=(480, 288),
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
test_set = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='test.json',
    img_prefix='Image/SSM',
    pipeline=test_pipeline,
    gallery_sizes=[50],
)
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=2,
    persistent_workers=True,
    train=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='train.json',
        img_prefix='Image/SSM',
        pipeline=train_pipeline,
    ),
    val=test_set,
    test=test_set,
)
evaluation = dict(
    interval=1,
    metric=['search', 'detection'],
    save_best='mAP',
    score_thr=0.2,
)
