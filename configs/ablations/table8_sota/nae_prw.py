_base_ = '../../baselines/nae_r50_prw.py'
