# The authors' published ROI-AlignPS for CUHK-SYSU, where it differs from the paper.
_base_ = ['../roi_alignps/roi_alignps_r50_cuhk.py', '../_base_/datasets/six_scales.py']
model = dict(
    bbox_head=dict(
        dcn_on_last_conv=True,
        loss_reid=dict(oim=dict(normalize_table=False), triplet=dict(mining='hard')),
    )
)
data = dict(samples_per_gpu=5, train=dict(pipeline={{_base_.six_scales_pipeline}}))
optimizer = dict(lr=0.0015)
lr_config = dict(warmup_iters=1141)
auto_scale_lr = dict(base_batch_size=5)
