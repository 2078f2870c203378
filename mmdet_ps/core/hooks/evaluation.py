"""Evaluation during training: own test loop, and never less than one best checkpoint."""

from pathlib import Path
from typing import Any

import torch.distributed as dist
from mmdet.core import EvalHook
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..testing import collect_results


def _share_batch_norm(model: nn.Module) -> None:
    """Give every process the running statistics of the first, so that all test the same model."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            for statistic in (module.running_mean, module.running_var):
                if statistic is not None:
                    dist.broadcast(statistic, 0)


class SafeEvalHook(EvalHook):
    """mmdet's ``EvalHook``, on one process or several.

    The best checkpoint goes after the better one is on the disk. mmcv removes it first, and by the
    path that a resumed checkpoint brings; here only the file of that name in the work directory is
    removed.
    """

    best_ckpt_path: str | None
    out_dir: str

    def _do_evaluate(self, runner: Any) -> None:
        if not self._should_evaluate(runner):
            return
        if runner.world_size > 1:
            _share_batch_norm(runner.model)
        self.latest_results = collect_results(runner.model, self.dataloader)
        if self.latest_results is None:
            return
        runner.log_buffer.output['eval_iter_num'] = len(self.dataloader)
        key_score = self.evaluate(runner, self.latest_results)
        if self.save_best and key_score:
            self._save_ckpt(runner, key_score)

    def _save_ckpt(self, runner: Any, key_score: float) -> None:
        previous, self.best_ckpt_path = self.best_ckpt_path, None
        super()._save_ckpt(runner, float(key_score))
        if self.best_ckpt_path is None:
            self.best_ckpt_path = previous
        elif previous and Path(previous).name != Path(self.best_ckpt_path).name:
            (Path(self.out_dir) / Path(previous).name).unlink(missing_ok=True)
