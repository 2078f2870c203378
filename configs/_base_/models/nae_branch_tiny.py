# The branch of nae_branch.py for the small models that learn drawn scenes on a CPU.
_base_ = './nae_branch.py'
rpn_head = dict(in_channels=96, feat_channels=96)
roi_head = dict(
    shared_head=dict(
        depth=18,
        base_channels=24,
        norm_cfg=dict(requires_grad=True),
        norm_eval=False,
        style='pytorch',
        init_cfg=None,
    ),
    bbox_roi_extractor=dict(roi_layer=dict(output_size=8), out_channels=96),
    bbox_head=dict(
        in_channels=192,
        c4_channels=96,
        feat_channels=64,
        # AdamW moves each weight by about the rate: scales that start at 0.01 are turned over in
        # a few steps.
        projector_std=None,
        loss_bbox=dict(loss_weight=1.0),
        loss_reid=dict(oim=dict(num_pids=240, queue_size=300, feat_channels=64, loss_weight=0.2)),
    ),
)
train_cfg = dict(
    # On pictures of 480 x 288 many of the anchors that fit a tall person reach over the border.
    rpn=dict(allowed_border=-1),
    rpn_proposal=dict(nms_pre=1000, max_per_img=200),
    rcnn=dict(sampler=dict(num=32)),
)
test_cfg = dict(rpn=dict(nms_pre=1000, max_per_img=100))
