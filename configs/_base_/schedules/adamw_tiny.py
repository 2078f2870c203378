# Seven epochs of 480 scenes are 840 iterations of batch 4.
optimizer = dict(
    type='AdamW',
    constructor='TurnsOptimizerConstructor',
    lr=0.002,
    weight_decay=0.0001,
    # Convolutions between a detector's features and an embedding drift to the same embedding for
    # everyone at the full rate.
    paramwise_cfg=dict(custom_keys=dict(conv_offset=dict(lr_mult=0.1), reid=dict(lr_mult=0.02))),
)
optimizer_config = dict(grad_clip=dict(max_norm=10, norm_type=2))
lr_config = dict(
    policy='CosineAnnealing',
    min_lr_ratio=0.01,
    by_epoch=False,
    warmup='linear',
    warmup_iters=40,
    warmup_ratio=0.1,
)
runner = dict(type='ResumableRunner', max_epochs=7)
auto_scale_lr = dict(enable=False, base_batch_size=4)
