_base_ = '../../synthetic/oim_tiny.py'
