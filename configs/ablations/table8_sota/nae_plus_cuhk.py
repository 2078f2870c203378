_base_ = '../../baselines/nae_plus_r50_cuhk.py'
