from .nae_bbox_head import NAEBBoxHead, NormAwareEmbedding
from .nae_roi_head import NAERoIHead
from .res_layer import RoIResLayer

__all__ = ['NAEBBoxHead', 'NAERoIHead', 'NormAwareEmbedding', 'RoIResLayer']
