from ..runner import ResumableRunner
from .broken_pictures import BrokenPicturesHook
from .evaluation import SafeEvalHook

__all__ = ['BrokenPicturesHook', 'ResumableRunner', 'SafeEvalHook']
