from .nae_bbox_head import NAEBBoxHead, NormAwareEmbedding
from .oim_bbox_head import OIMBBoxHead
from .res_layer import RoIResLayer
from .search_bbox_head import SearchBBoxHead
from .search_roi_head import SearchRoIHead

__all__ = [
    'NAEBBoxHead',
    'NormAwareEmbedding',
    'OIMBBoxHead',
    'RoIResLayer',
    'SearchBBoxHead',
    'SearchRoIHead',
]
