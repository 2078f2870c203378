"""Evaluation during training that never holds less than one best checkpoint."""

from pathlib import Path
from typing import Any

from mmdet.core import DistEvalHook, EvalHook


class _KeepsBest:
    """Mix-in for evaluation hooks: the best checkpoint goes after the better one is on the disk.

    mmcv removes it first, and by the path that a resumed checkpoint brings; here only the file of
    that name in the work directory is removed.
    """

    best_ckpt_path: str | None
    out_dir: str

    def _save_ckpt(self, runner: Any, key_score: float) -> None:
        previous, self.best_ckpt_path = self.best_ckpt_path, None
        super()._save_ckpt(runner, float(key_score))  # type: ignore[misc]
        if self.best_ckpt_path is None:
            self.best_ckpt_path = previous
        elif previous and Path(previous).name != Path(self.best_ckpt_path).name:
            (Path(self.out_dir) / Path(previous).name).unlink(missing_ok=True)


class SafeEvalHook(_KeepsBest, EvalHook):
    """mmdet's ``EvalHook``, see `_KeepsBest`."""


class SafeDistEvalHook(_KeepsBest, DistEvalHook):
    """mmdet's ``DistEvalHook``, see `_KeepsBest`."""
