# alignps_tiny on bottleneck blocks, the only ones that mmdet's ResNet deforms; C3 - C5 keep their
# channels.
_base_ = '../../synthetic/alignps_tiny.py'
model = dict(backbone=dict(depth=50, base_channels=6, stem_channels=24))
