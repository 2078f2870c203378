# RPN and RoI branch of Norm-Aware Embedding on C4, as the parts of NAE itself and of ROI-AlignPS.
rpn_head = dict(
    type='RPNHead',
    in_channels=1024,
    feat_channels=1024,
    anchor_generator=dict(
        type='AnchorGenerator',
        scales=[2, 4, 8, 16, 32],
        ratios=[0.5, 1.0, 2.0],
        strides=[16],
    ),
    bbox_coder=dict(
        type='DeltaXYWHBBoxCoder',
        target_means=[0.0, 0.0, 0.0, 0.0],
        target_stds=[1.0, 1.0, 1.0, 1.0],
    ),
    loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    loss_bbox=dict(type='L1Loss', loss_weight=1.0),
)
roi_head = dict(
    type='SearchRoIHead',
    shared_head=dict(
        type='RoIResLayer',
        depth=50,
        stage=3,
        stride=2,
        style='caffe',
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://detectron2/resnet50_caffe'),
    ),
    bbox_roi_extractor=dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=0, aligned=True),
        out_channels=1024,
        featmap_strides=[16],
    ),
    bbox_head=dict(
        type='NAEBBoxHead',
        in_channels=2048,
        c4_channels=1024,
        feat_channels=256,
        bbox_coder=dict(
            type='DeltaXYWHBBoxCoder',
            target_means=[0.0, 0.0, 0.0, 0.0],
            target_stds=[0.1, 0.1, 0.2, 0.2],
        ),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=10.0),
        loss_reid=dict(
            type='TOIMLoss',
            oim=dict(
                num_pids=5532,
                queue_size=5000,
                feat_channels=256,
                temperature=1.0 / 30,
                momentum=0.5,
                normalize_table=True,
                focal_gamma=0.0,
                average='labelled',
                loss_weight=1.0,
            ),
            triplet=None,
        ),
    ),
)
train_cfg = dict(
    rpn=dict(
        assigner=dict(
            type='MaxIoUAssigner',
            pos_iou_thr=0.7,
            neg_iou_thr=0.3,
            min_pos_iou=0.3,
            match_low_quality=True,
            ignore_iof_thr=-1,
        ),
        sampler=dict(
            type='RandomSampler',
            num=256,
            pos_fraction=0.5,
            neg_pos_ub=-1,
            add_gt_as_proposals=False,
        ),
        allowed_border=0,
        pos_weight=-1,
        debug=False,
    ),
    rpn_proposal=dict(
        nms_pre=12000,
        max_per_img=2000,
        nms=dict(type='nms', iou_threshold=0.7),
        min_bbox_size=0,
    ),
    rcnn=dict(
        assigner=dict(
            type='MaxIoUAssigner',
            pos_iou_thr=0.5,
            neg_iou_thr=0.1,
            min_pos_iou=0.5,
            match_low_quality=False,
            ignore_iof_thr=-1,
        ),
        sampler=dict(
            type='RandomSampler',
            num=128,
            pos_fraction=0.5,
            neg_pos_ub=-1,
            add_gt_as_proposals=True,
        ),
        pos_weight=-1,
        debug=False,
    ),
)
# Of NAE alone: ROI-AlignPS describes the boxes of its other branch.
test_cfg = dict(
    rpn=dict(
        nms_pre=6000,
        max_per_img=300,
        nms=dict(type='nms', iou_threshold=0.7),
        min_bbox_size=0,
    ),
    rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.4), max_per_img=100),
)
