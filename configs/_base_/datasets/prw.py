# PRW as its official release unpacks, after tools/dataset_converters/prw.py.
_base_ = './scenes.py'
release = dict(type='PrwDataset', data_root='data/prw', img_prefix='frames')
searched = dict(**release, gallery_sizes=['all'])
data = dict(train=release, val=searched, test=searched)
evaluation = dict(score_thr=0.15)
