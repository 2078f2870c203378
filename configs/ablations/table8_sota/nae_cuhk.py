_base_ = '../../baselines/nae_r50_cuhk.py'
