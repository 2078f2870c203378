"""Person search on MMDetection.

Importing `mmdet_ps.models`, `mmdet_ps.datasets` and `mmdet_ps.core.hooks` registers this project's
classes with MMDetection; every config does so by its ``custom_imports``. Where mmdet is imported
already, ``import mmdet_ps`` does it too; where it is not, the evaluator loads without it in a
fraction of a second.
"""

import sys

__version__ = '0.1.0'

if 'mmdet' in sys.modules:
    from . import datasets, models  # noqa: F401
    from .core import hooks  # noqa: F401
