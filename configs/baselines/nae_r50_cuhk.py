_base_ = [
    '../_base_/models/nae_r50.py',
    '../_base_/datasets/cuhk_sysu.py',
    '../_base_/schedules/sgd_24e_roi.py',
    '../_base_/default_runtime.py',
]
# Similarity times score, as NAE is tested.
evaluation = dict(class_weighted=True)
