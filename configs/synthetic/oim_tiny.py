# A small OIM for the drawn scenes: nae_tiny with the head of oim_r50.
import mmcv

_base_ = './nae_tiny.py'
# What begins with two underscores is no part of the config.
__oim = mmcv.Config.fromfile('{{ fileDirname }}/../_base_/models/oim_r50.py').model
__oim.roi_head.bbox_head.update(in_channels=192, feat_channels=64)
__oim.roi_head.bbox_head.loss_reid.oim.update(
    num_pids=240, queue_size=300, feat_channels=64, loss_weight=0.2
)
model = dict(
    roi_head=dict(bbox_head=dict(_delete_=True, **__oim.roi_head.bbox_head)),
    train_cfg=dict(rcnn=dict(assigner=dict(neg_iou_thr=0.5), sampler=dict(pos_fraction=0.25))),
)
evaluation = dict(class_weighted=False)
