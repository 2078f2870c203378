from .alignps import AlignPS

__all__ = ['AlignPS']
