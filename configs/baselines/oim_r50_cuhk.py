_base_ = [
    '../_base_/models/oim_r50.py',
    '../_base_/datasets/cuhk_sysu.py',
    '../_base_/schedules/sgd_oim.py',
    '../_base_/default_runtime.py',
]
data = dict(samples_per_gpu=2)
