_base_ = ['../../alignps/alignps_r50_prw.py', './table.py']
model = {{_base_.table.rows.concat.model}}
