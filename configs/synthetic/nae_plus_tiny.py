# A small NAE+ for the drawn scenes.
_base_ = './nae_tiny.py'
model = dict(roi_head=dict(bbox_head=dict(type='PixelWiseNAEBBoxHead')))
