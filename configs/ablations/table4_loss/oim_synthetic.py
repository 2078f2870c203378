_base_ = ['../../synthetic/alignps_tiny.py', './table.py']
model = {{_base_.table.rows.oim.model}}
