_base_ = '../../synthetic/alignps_tiny.py'
