# The authors' published AlignPS for CUHK-SYSU, where it differs from the paper.
_base_ = ['../alignps/alignps_r50_cuhk.py', '../_base_/datasets/six_scales.py']
model = dict(
    bbox_head=dict(
        dcn_on_last_conv=True,
        loss_reid=dict(oim=dict(normalize_table=False, average='all'), triplet=dict(mining='hard')),
    )
)
data = dict(train=dict(pipeline={{_base_.six_scales_pipeline}}))
optimizer = dict(weight_decay=0.0001)
lr_config = dict(warmup_iters=500)
