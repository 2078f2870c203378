# How the two branches are put together; none of the joint rows has a mutual loss.
table = dict(
    title='Table VI: structure of ROI-AlignPS',
    reference='separate',
    rows=dict(
        nae=dict(label='separate: ROI-Align (NAE)'),
        alignps=dict(
            label='separate: AlignPS', paper=dict(cuhk_sysu=[93.1, 93.4], prw=[45.9, 81.9])
        ),
        separate=dict(label='separate: both, concatenated', join=['alignps', 'nae']),
        joint_no_rpn=dict(label='joint, without RPN', model=dict(with_rpn=False, mutual=[])),
        roi_align_only=dict(
            label='joint, ROI-Align* (AlignPS detects only)',
            model=dict(bbox_head=dict(loss_reid=None), mutual=[]),
        ),
        joint=dict(label='joint, with RPN', model=dict(mutual=[])),
    ),
)
