_base_ = ['../../synthetic/alignps_tiny.py', './table.py']
model = {{_base_.table.rows.ta.model}}
# Copied into the model above; an override here would reach nothing.
table = None
