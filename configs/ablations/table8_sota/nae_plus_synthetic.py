_base_ = '../../synthetic/nae_plus_tiny.py'
