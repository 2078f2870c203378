_base_ = ['../../synthetic/roi_alignps_tiny.py', './table.py']
model = {{_base_.table.rows.mi_kl.model}}
# Copied into the model above; an override here would reach nothing.
table = None
