from .alignps import AlignPS
from .nae import NAE
from .roi_alignps import ROIAlignPS

__all__ = ['NAE', 'AlignPS', 'ROIAlignPS']
