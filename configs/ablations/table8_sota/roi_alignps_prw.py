_base_ = '../../roi_alignps/roi_alignps_r50_prw.py'
