# As AlignPS, but what the paper leaves open is that of the authors' ROI-AlignPS.
_base_ = './sgd_24e.py'
optimizer = dict(paramwise_cfg=dict(_delete_=True))
optimizer_config = dict(grad_clip=dict(max_norm=10))
lr_config = dict(warmup_ratio=1.0 / 200)
