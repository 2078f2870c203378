"""Person search on MMDetection.

With this package and mmdet both imported, whichever came first, this package's classes stand in
mmdet's registries: ``custom_imports=dict(imports=['mmdet_ps'])`` is all that a config needs. While
nothing imports mmdet, nothing waits for it: ``mmdet_ps.core.evaluation`` loads in a fraction of a
second.
"""

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__version__ = '0.1.0'


def _register() -> None:
    from . import datasets, models  # noqa: F401
    from .core import hooks  # noqa: F401


class _AfterMmdet(MetaPathFinder):
    """Registers once mmdet has been imported; steps aside then."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name != 'mmdet':
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            run = spec.loader.exec_module

            def run_and_register(module: ModuleType) -> None:
                run(module)
                _register()

            spec.loader.exec_module = run_and_register  # type: ignore[method-assign]
        return spec


if 'mmdet' in sys.modules:
    _register()
else:
    sys.meta_path.insert(0, _AfterMmdet())
