# One-step and two-step models. `quoted` rows are the paper's alone; `retest` names the row whose
# results a row evaluates otherwise. `time`, on drawn scenes: CPU time of a training iteration of
# the small model against that of the small AlignPS, by which its iterations are divided: that of
# tools/train.py with runner.max_iters=16 less that with 4, one thread, no loader processes.
quoted = dict(
    ian=('IAN', [76.3, 80.1], [23.0, 61.9]),
    npsm=('NPSM', [77.9, 81.2], [24.2, 53.1]),
    rcaa=('RCAA', [79.3, 81.3], None),
    ctxg=('CTXG', [84.1, 86.5], [33.4, 73.6]),
    qeeps=('QEEPS', [88.9, 89.1], [37.1, 76.7]),
    hoim=('HOIM', [89.7, 90.8], [39.8, 80.4]),
    binet=('BINet', [90.0, 90.7], [45.3, 81.7]),
    pga=('PGA', [92.3, 94.7], [44.2, 85.2]),
    dkd=('DKD', [93.1, 94.2], [50.5, 87.1]),
    dpm_ide=('two-step: DPM + IDE', None, [20.5, 48.3]),
    cnn_mgts=('two-step: CNN + MGTS', [83.3, 83.9], [32.8, 72.1]),
    cnn_clsa=('two-step: CNN + CLSA', [87.2, 88.5], [38.7, 65.0]),
    fpn_rdrl=('two-step: FPN + RDRL', [93.0, 94.2], [42.9, 70.2]),
    igpn=('two-step: IGPN', [90.3, 91.4], [47.2, 87.0]),
    or_=('two-step: OR', [92.3, 93.8], [52.3, 71.5]),
    tcts=('two-step: TCTS', [93.9, 95.1], [46.8, 87.5]),
)
table = dict(
    title='Table VIII: state of the art',
    reference='alignps',
    rows=dict(
        oim=dict(label='OIM', paper=dict(cuhk_sysu=[75.5, 78.7], prw=[21.3, 49.4]), time=0.74),
        nae=dict(label='NAE', paper=dict(cuhk_sysu=[91.5, 92.4], prw=[43.3, 80.9]), time=0.71),
        nae_plus=dict(
            label='NAE+', paper=dict(cuhk_sysu=[92.1, 92.9], prw=[44.0, 81.1]), time=0.79
        ),
        seqnet=dict(
            label='SeqNet', paper=dict(cuhk_sysu=[93.8, 94.6], prw=[46.7, 83.4]), time=0.84
        ),
        seqnet_cbgm=dict(
            label='SeqNet + CBGM',
            retest='seqnet',
            paper=dict(cuhk_sysu=[94.8, 95.7], prw=[47.6, 87.6]),
        ),
        alignps=dict(label='AlignPS', paper=dict(cuhk_sysu=[93.1, 93.4], prw=[45.9, 81.9])),
        roi_alignps=dict(
            label='ROI-AlignPS', paper=dict(cuhk_sysu=[95.4, 96.0], prw=[51.6, 84.4]), time=1.16
        ),
        **{
            row: dict(
                label=label,
                quoted=True,
                paper={k: v for k, v in dict(cuhk_sysu=cuhk, prw=prw).items() if v},
            )
            for row, (label, cuhk, prw) in quoted.items()
        },
    ),
)
del quoted
