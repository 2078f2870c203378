"""Person search on MMDetection.

Importing `mmdet_ps.models`, `mmdet_ps.datasets` and `mmdet_ps.core.hooks` registers this project's
classes with MMDetection; every config does so by its ``custom_imports``.
"""

__version__ = '0.1.0'
