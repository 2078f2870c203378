_base_ = ['../../roi_alignps/roi_alignps_r50_prw.py', './table.py']
model = {{_base_.table.rows.mi_dv.model}}
