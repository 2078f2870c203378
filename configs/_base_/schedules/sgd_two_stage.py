# NAE and SeqNet as their authors published them (defaults of their code, the command in NAE's
# README): SGD 0.9 at 0.003, decay 5e-4, batch 5, warm-up over the first epoch from 1/1000, a tenth
# from epoch 16 on, gradient clip 10, biases at the rate of weights. A leaf names the epochs.
optimizer = dict(
    type='SGD',
    constructor='TurnsOptimizerConstructor',
    lr=0.003,
    momentum=0.9,
    weight_decay=0.0005,
)
optimizer_config = dict(grad_clip=dict(max_norm=10, norm_type=2))
lr_config = dict(
    policy='step',
    warmup='linear',
    warmup_by_epoch=True,
    warmup_iters=1,
    warmup_ratio=0.001,
    step=[16],
)
runner = dict(type='ResumableRunner', max_epochs=22)
auto_scale_lr = dict(enable=False, base_batch_size=5)
