# CUHK-SYSU as its official release unpacks, after tools/dataset_converters/cuhk_sysu.py.
_base_ = './scenes.py'
release = dict(type='CuhkSysuDataset', data_root='data/cuhk_sysu', img_prefix='Image/SSM')
searched = dict(**release, gallery_sizes=[100])
data = dict(train=release, val=searched, test=searched)
evaluation = dict(score_thr=0.2)
