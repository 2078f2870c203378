from .nae_bbox_head import NAEBBoxHead, NormAwareEmbedding, PixelWiseNAEBBoxHead
from .oim_bbox_head import OIMBBoxHead
from .res_layer import RoIResLayer
from .search_bbox_head import SearchBBoxHead
from .search_roi_head import SearchRoIHead
from .sequential_roi_head import SequentialRoIHead

__all__ = [
    'NAEBBoxHead',
    'NormAwareEmbedding',
    'OIMBBoxHead',
    'PixelWiseNAEBBoxHead',
    'RoIResLayer',
    'SearchBBoxHead',
    'SearchRoIHead',
    'SequentialRoIHead',
]
