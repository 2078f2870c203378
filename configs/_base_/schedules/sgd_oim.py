# Of Xiao et al. (CVPR 2017, section 4): two pictures a batch, rate 0.001, a tenth after 40,000
# iterations, 50,000 in all, which are nine epochs of CUHK-SYSU. Biases as in sgd_24e.py, no
# gradient clip and no warm-up as in the authors' code.
_base_ = './sgd_24e.py'
optimizer_config = dict(grad_clip=None)
lr_config = dict(_delete_=True, policy='step', by_epoch=False, step=[40000])
runner = dict(max_epochs=9)
auto_scale_lr = dict(base_batch_size=2)
