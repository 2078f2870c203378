_base_ = [
    '../_base_/models/nae_plus_r50.py',
    '../_base_/datasets/prw.py',
    '../_base_/datasets/one_scale.py',
    '../_base_/schedules/sgd_two_stage.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(loss_reid=dict(oim=dict(num_pids=483, queue_size=500)))))
data = dict(samples_per_gpu=5, train=dict(pipeline={{_base_.one_scale_pipeline}}))
# Similarity times score, as NAE is tested.
evaluation = dict(class_weighted=True)
