_base_ = [
    '../_base_/models/nae_r50.py',
    '../_base_/datasets/cuhk_sysu.py',
    '../_base_/datasets/one_scale.py',
    '../_base_/schedules/sgd_two_stage.py',
    '../_base_/default_runtime.py',
]
data = dict(samples_per_gpu=5, train=dict(pipeline={{_base_.one_scale_pipeline}}))
# Similarity times score, as NAE is tested.
evaluation = dict(class_weighted=True)
