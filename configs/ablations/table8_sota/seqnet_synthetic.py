_base_ = '../../synthetic/seqnet_tiny.py'
