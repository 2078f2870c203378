_base_ = '../../alignps/alignps_r50_prw.py'
