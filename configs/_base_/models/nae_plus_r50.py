# NAE+, the pixel-wise form of Norm-Aware Embedding; num_pids and queue_size belong to the dataset.
_base_ = './nae_r50.py'
model = dict(roi_head=dict(bbox_head=dict(type='PixelWiseNAEBBoxHead')))
