_base_ = ['../../synthetic/roi_alignps_tiny.py', './table.py']
model = {{_base_.table.rows.joint.model}}
# Copied into the model above; an override here would reach nothing.
table = None
