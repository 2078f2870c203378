_base_ = '../../baselines/oim_r50_prw.py'
