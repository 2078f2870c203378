_base_ = '../../baselines/seqnet_cbgm_r50_prw.py'
