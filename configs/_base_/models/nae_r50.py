# Norm-Aware Embedding on Faster R-CNN; num_pids and queue_size belong to the dataset.
import mmcv

# What begins with two underscores is no part of the config.
__branch = mmcv.Config.fromfile('{{ fileDirname }}/nae_branch.py')
model = dict(
    type='TwoStageSearch',
    backbone=dict(
        type='ResNet',
        depth=50,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='caffe',
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://detectron2/resnet50_caffe'),
    ),
    rpn_head=__branch.rpn_head,
    roi_head=__branch.roi_head,
    train_cfg=__branch.train_cfg,
    test_cfg=__branch.test_cfg,
)
