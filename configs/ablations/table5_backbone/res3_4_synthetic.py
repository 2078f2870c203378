_base_ = ['./tiny.py', './table.py']
model = {{_base_.table.rows.res3_4.model}}
