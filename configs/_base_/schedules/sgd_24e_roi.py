# As AlignPS, but what the paper leaves open is that of the authors' ROI-AlignPS, which has it from
# NAE: gradient clip 10, biases learn as weights do, and the warm-up begins near 0. For both.
_base_ = './sgd_24e.py'
optimizer = dict(paramwise_cfg=dict(_delete_=True))
optimizer_config = dict(grad_clip=dict(max_norm=10))
lr_config = dict(warmup_ratio=1.0 / 200)
