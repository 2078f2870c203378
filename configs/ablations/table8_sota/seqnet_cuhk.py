_base_ = '../../baselines/seqnet_r50_cuhk.py'
