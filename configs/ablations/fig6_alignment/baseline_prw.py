_base_ = ['../../alignps/alignps_r50_prw.py', './table.py']
model = {{_base_.table.rows.baseline.model}}
# Copied into the model above; an override here would reach nothing.
table = None
