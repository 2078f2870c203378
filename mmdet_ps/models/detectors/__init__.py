from .alignps import AlignPS
from .roi_alignps import ROIAlignPS
from .two_stage_search import TwoStageSearch

__all__ = ['AlignPS', 'ROIAlignPS', 'TwoStageSearch']
