_base_ = ['../../alignps/alignps_r50_cuhk.py', './table.py']
model = {{_base_.table.rows.lateral_concat.model}}
