_base_ = [
    '../_base_/models/roi_alignps_r50.py',
    '../_base_/datasets/prw.py',
    '../_base_/schedules/sgd_24e_roi.py',
    '../_base_/default_runtime.py',
]
model = dict(
    bbox_head=dict(loss_reid=dict(oim=dict(num_pids=483, queue_size=500))),
    roi_head=dict(bbox_head=dict(loss_reid=dict(oim=dict(num_pids=483, queue_size=500)))),
)
