from .deform_conv import DCN, DCNv2, sampled_deform_conv2d

__all__ = ['DCN', 'DCNv2', 'sampled_deform_conv2d']
