# The authors' published AlignPS for PRW, where it differs from the paper.
_base_ = ['../alignps/alignps_r50_prw.py', '../_base_/datasets/six_scales.py']
model = dict(
    bbox_head=dict(
        dcn_on_last_conv=True,
        loss_reid=dict(
            oim=dict(temperature=1.0 / 15, queue_temperature=0.1, average='all'), triplet=None
        ),
    )
)
data = dict(train=dict(pipeline={{_base_.six_scales_pipeline}}))
optimizer = dict(weight_decay=0.001)
lr_config = dict(warmup_iters=500)
