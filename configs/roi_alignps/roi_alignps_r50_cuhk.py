_base_ = [
    '../_base_/models/roi_alignps_r50.py',
    '../_base_/datasets/cuhk_sysu.py',
    '../_base_/schedules/sgd_24e_roi.py',
    '../_base_/default_runtime.py',
]
