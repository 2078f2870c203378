# A small SeqNet for the drawn scenes: nae_tiny behind a first head of its own.
import mmcv

_base_ = './nae_tiny.py'
# What begins with two underscores is no part of the config.
__tiny = mmcv.Config.fromfile('{{ fileDirname }}/oim_tiny.py').model
__seqnet = mmcv.Config.fromfile('{{ fileDirname }}/../_base_/models/seqnet_r50.py').model
__first = __tiny.roi_head
__first.bbox_head.update(loss_reid=None)
__first.bbox_head.loss_bbox.update(loss_weight=1.0)
model = dict(
    roi_head=dict(type='SequentialRoIHead', first=__first),
    train_cfg=dict(rcnn=dict(assigner=dict(neg_iou_thr=0.5))),
    test_cfg=dict(rcnn=__seqnet.test_cfg.rcnn),
)
