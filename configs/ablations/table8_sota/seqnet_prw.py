_base_ = '../../baselines/seqnet_r50_prw.py'
