# Training pipeline of the two-stage baselines: one size, that of the test. A leaf sets it as
# data.train.pipeline; it is the same for CUHK-SYSU and PRW.
import mmcv

one_scale_pipeline = mmcv.Config.fromfile('{{ fileDirname }}/six_scales.py').six_scales_pipeline
one_scale_pipeline[2] = dict(type='Resize', img_scale=(1500, 900), keep_ratio=True)
