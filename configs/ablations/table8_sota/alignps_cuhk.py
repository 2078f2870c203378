_base_ = '../../alignps/alignps_r50_cuhk.py'
