_base_ = '../../synthetic/nae_tiny.py'
