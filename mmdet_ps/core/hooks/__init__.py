from ..runner import ResumableRunner
from .broken_pictures import BrokenPicturesHook
from .evaluation import SafeDistEvalHook, SafeEvalHook

__all__ = ['BrokenPicturesHook', 'ResumableRunner', 'SafeDistEvalHook', 'SafeEvalHook']
