from .batch_norm import SmallBatchNorm1d
from .deform_conv import DCN, DCNv2, mmcv_operator_on_cpu, sampled_deform_conv2d
from .nms_people import nms_people

__all__ = [
    'DCN',
    'DCNv2',
    'SmallBatchNorm1d',
    'mmcv_operator_on_cpu',
    'nms_people',
    'sampled_deform_conv2d',
]
