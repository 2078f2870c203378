# How the two branches are put together; none of the joint rows has a mutual loss. A row that only
# reads another feature of a row's run says whose (`of`) and which.
table = dict(
    title='Table VI: structure of ROI-AlignPS',
    reference='separate',
    rows=dict(
        nae=dict(
            label='separate: ROI-Align (NAE)', paper=dict(cuhk_sysu=[92.0, 92.3], prw=[43.1, 80.7])
        ),
        alignps=dict(
            label='separate: AlignPS', paper=dict(cuhk_sysu=[93.1, 93.4], prw=[45.9, 81.9])
        ),
        separate=dict(
            label='separate: concatenation',
            join=['alignps', 'nae'],
            paper=dict(cuhk_sysu=[93.0, 93.6], prw=[44.5, 81.3]),
        ),
        joint_no_rpn_roi_align=dict(
            label='joint without RPN: ROI-Align',
            of='joint_no_rpn',
            feature='roi_align',
            paper=dict(cuhk_sysu=[90.4, 91.3], prw=[43.9, 81.5]),
        ),
        joint_no_rpn_alignps=dict(
            label='joint without RPN: AlignPS',
            of='joint_no_rpn',
            feature='alignps',
            paper=dict(cuhk_sysu=[93.2, 92.8], prw=[44.9, 80.0]),
        ),
        joint_no_rpn=dict(
            label='joint without RPN: concatenation',
            model=dict(with_rpn=False, mutual=[]),
            paper=dict(cuhk_sysu=[94.3, 94.8], prw=[48.6, 83.2]),
        ),
        roi_align_only=dict(
            label='joint without RPN: ROI-Align* (AlignPS detects only)',
            model=dict(with_rpn=False, bbox_head=dict(loss_reid=None), mutual=[]),
            paper=dict(cuhk_sysu=[93.4, 93.8], prw=[47.5, 84.5]),
        ),
        joint_roi_align=dict(
            label='joint with RPN: ROI-Align',
            of='joint',
            feature='roi_align',
            paper=dict(cuhk_sysu=[93.3, 93.9], prw=[47.8, 83.3]),
        ),
        joint_alignps=dict(
            label='joint with RPN: AlignPS',
            of='joint',
            feature='alignps',
            paper=dict(cuhk_sysu=[94.0, 94.1], prw=[46.4, 81.2]),
        ),
        joint=dict(
            label='joint with RPN: concatenation',
            model=dict(mutual=[]),
            paper=dict(cuhk_sysu=[95.0, 95.3], prw=[50.3, 84.3]),
        ),
    ),
)
