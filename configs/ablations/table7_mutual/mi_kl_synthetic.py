_base_ = ['../../synthetic/roi_alignps_tiny.py', './table.py']
model = {{_base_.table.rows.mi_kl.model}}
