from .fcos_reid_head import FCOSReIDHead

__all__ = ['FCOSReIDHead']
