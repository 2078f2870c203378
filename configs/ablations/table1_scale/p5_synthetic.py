_base_ = ['../../synthetic/alignps_tiny.py', './table.py']
model = {{_base_.table.rows.p5.model}}
