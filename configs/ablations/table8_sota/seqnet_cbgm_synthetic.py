_base_ = '../../synthetic/seqnet_cbgm_tiny.py'
