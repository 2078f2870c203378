_base_ = [
    '../_base_/models/oim_r50.py',
    '../_base_/datasets/prw.py',
    '../_base_/schedules/sgd_oim.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(loss_reid=dict(oim=dict(num_pids=483, queue_size=500)))))
data = dict(samples_per_gpu=2)
# As many iterations as on CUHK-SYSU, which has twice the pictures.
runner = dict(max_epochs=18)
