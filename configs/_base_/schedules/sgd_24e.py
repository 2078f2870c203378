# Section IV-B of the paper; gradient clip and biases without decay, which it leaves open, are the
# authors'.
optimizer = dict(
    type='SGD',
    constructor='TurnsOptimizerConstructor',
    lr=0.001,
    momentum=0.9,
    weight_decay=0.0005,
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0),
)
optimizer_config = dict(grad_clip=dict(max_norm=35, norm_type=2))
lr_config = dict(
    policy='step', warmup='linear', warmup_iters=300, warmup_ratio=1.0 / 3, step=[16, 22]
)
runner = dict(type='ResumableRunner', max_epochs=24)
auto_scale_lr = dict(enable=False, base_batch_size=4)
