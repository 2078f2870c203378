"""Official releases: read, checked and converted. Imports neither torch nor mmdet."""

from .cuhk_sysu import cuhk_sysu_protocol
from .prw import prw_protocol

__all__ = ['cuhk_sysu_protocol', 'prw_protocol']
