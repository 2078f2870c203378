from .batch_norm import SmallBatchNorm1d
from .deform_conv import DCN, DCNv2, mmcv_operator_on_cpu, sampled_deform_conv2d

__all__ = ['DCN', 'DCNv2', 'SmallBatchNorm1d', 'mmcv_operator_on_cpu', 'sampled_deform_conv2d']
