_base_ = '../../synthetic/roi_alignps_tiny.py'
