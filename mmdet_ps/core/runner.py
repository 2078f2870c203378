"""The training loop: exact after a resume, whole after a fault."""

import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmcv.parallel import is_module_wrapper
from mmcv.runner import RUNNERS, EpochBasedRunner, Fp16OptimizerHook
from mmcv.runner import load_state_dict as load_what_fits
from mmcv.runner.checkpoint import get_state_dict, weights_to_cpu
from mmcv.runner.hooks import GradientCumulativeOptimizerHook
from torch import nn

from .buffers import BufferSnapshot, all_finite
from .checkpoints import fit_weights, load_checkpoint_file, state_dict_of, write_checkpoint
from .dist import any_process, gather_items
from .randomness import STEP, seed_generators

STOPPED = 'stopped.pth'


class TrainingStopped(Exception):
    """A SIGTERM came, and the run is saved: not a fault."""


@contextmanager
def _notice_sigterm() -> Iterator[Callable[[], bool]]:
    """Let SIGTERM wait; gives a function that says whether one has come."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: came.set())
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


@RUNNERS.register_module()
class ResumableRunner(EpochBasedRunner):
    """Training by epochs that can be stopped anywhere and goes on as if it had not been.

    Whatever is random follows from the run's seed and the place in the run: the order of pictures
    and their augmentation in the loader (`mmdet_ps.datasets.loader`), and what the model draws in a
    step here. A checkpoint says how many batches of its epoch are done, and a resume leaves those
    out. Where an epoch was complete, its end (evaluation first of all) is made up for, since it may
    have been cut off.

    A step whose loss, buffers or gradient are not finite leaves no trace: buffers (memories, batch
    norm, MINE's turn) are those from before it and the optimizer does not step. Every process skips
    the same steps.

    On SIGTERM the step is finished, with it the gradient accumulation under way, the run is saved
    as ``stopped.pth`` and `TrainingStopped` is raised.

    With ``max_iters`` in place of ``max_epochs`` it ends after that many iterations, if need be in
    the middle of an epoch.

    Args:
        *args: Of mmcv's ``EpochBasedRunner``.
        max_nonfinite: Skipped steps in a row that end the run.
        trust: Whether checkpoints are read by the loader that runs code which they bring.
        **kwargs: Of mmcv's ``EpochBasedRunner``; ``meta['seed']`` is the run's seed.
    """

    meta: dict[str, Any]
    _epoch: int
    _iter: int
    _max_iters: int

    def __init__(
        self, *args: Any, max_nonfinite: int = 10, trust: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if max_nonfinite < 1:
            raise ValueError(f'runner.max_nonfinite={max_nonfinite}: at least 1')
        self._limit: int | None = self._max_iters
        if self._limit is not None and self._limit < 1:
            raise ValueError(f'runner.max_iters={self._limit}: at least 1')
        self.max_nonfinite = max_nonfinite
        self.trust = trust
        self.meta = self.meta or {}
        self.seed = int(self.meta.get('seed') or 0)
        self._done = Fraction(0)  # Share of the epoch that a resumed checkpoint had done.
        self._batches_done = 0
        self._in_step = False
        self._skipping = False
        self._bad_in_a_row = 0
        self._snapshot: BufferSnapshot | None = None
        self._asked_to_stop: Callable[[], bool] = lambda: False

    @property
    def bare_model(self) -> nn.Module:
        """The model without its wrapper."""
        return self.model.module if is_module_wrapper(self.model) else self.model

    @property
    def max_iters(self) -> int:
        """Iterations of the whole training, once the loader is known.

        Hooks that ask before the run get the limit too, which mmcv's ``run`` rounds up to epochs.
        """
        return self._limit or self._max_iters

    def run(self, data_loaders: list[Any], workflow: list[tuple], **kwargs: Any) -> None:
        """Train.

        Args:
            data_loaders: One an entry of the workflow.
            workflow: ``('train', 1)``, and ``('val', 1)`` if wanted.
            **kwargs: Of the model's ``train_step``.

        Raises:
            TrainingStopped: After a SIGTERM; the run is saved.
            ChildProcessError: A data loader's worker process died.
            ValueError: ``max_nonfinite`` steps in a row were skipped.
        """
        if self._limit:
            loader = data_loaders[[mode for mode, _ in workflow].index('train')]
            self._max_epochs = -(-self._limit // len(loader))
        guard = self.optimizer.register_step_pre_hook(self._refuse_nonfinite_gradient)
        try:
            with _notice_sigterm() as self._asked_to_stop:
                super().run(data_loaders, workflow, **kwargs)
        except RuntimeError as error:
            if 'DataLoader worker' not in str(error) or 'Caught' in str(error):
                raise
            reason = str(error).splitlines()[0].rstrip('. ')
            raise ChildProcessError(
                f'{reason} at iteration {self.iter + 1} (out of memory? lower '
                'data.workers_per_gpu); --auto-resume goes on from the last checkpoint'
            ) from None
        finally:
            guard.remove()

    def train(self, data_loader: Any, **kwargs: Any) -> None:
        """Run an epoch, or what is left of it."""
        self.model.train()
        self.mode = 'train'
        self.data_loader = data_loader
        length = len(data_loader)
        # What mmcv's checkpoint hook looks at to save after the last iteration.
        self._max_iters = self._limit or self._max_epochs * length
        first, self._done = round(self._done * length), Fraction(0)
        self._batches_done = first
        self._iter = self.epoch * length + first
        self.call_hook('before_train_epoch')
        if hasattr(data_loader.sampler, 'start_at'):
            data_loader.sampler.start_at(self.epoch, first)
        for self._inner_iter, self.data_batch in enumerate(data_loader, first):
            # mmdet's own loader, under its own tools, cannot leave batches out.
            if self._inner_iter == length or self.iter >= self.max_iters:
                break
            seed_generators(self.seed, STEP, self.rank, self.iter)
            self.call_hook('before_train_iter')
            self.run_iter(self.data_batch, train_mode=True, **kwargs)
            self._batches_done, self._in_step = self._inner_iter + 1, True
            self.call_hook('after_train_iter')
            self._in_step = False
            self._iter += 1
            self._stop_if_asked()
        self.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, data_batch: Any, train_mode: bool, **kwargs: Any) -> None:
        """Run the model; a training step without a finite loss is undone as far as it went."""
        if not train_mode:
            super().run_iter(data_batch, train_mode, **kwargs)
            return
        self._snapshot = self._snapshot or BufferSnapshot(self.model)
        self._snapshot.take()
        self.outputs = self.model.train_step(data_batch, self.optimizer, **kwargs)
        log_vars = self.outputs['log_vars']
        bad = [name for name, value in log_vars.items() if not math.isfinite(value)]
        # A deformable layer reads nothing where an offset is not a number, and so can hide from the
        # loss what batch norm before it has taken in.
        if not self._snapshot.is_finite():
            bad.append('buffers')
        self._skipping = any_process(bool(bad), self.outputs['loss'].device)
        if not self._skipping:
            self.log_buffer.update(log_vars, self.outputs['num_samples'])
            return
        self._snapshot.restore()
        # Its backward pass reaches no parameter, so a step of the optimizer moves none.
        self.outputs['loss'] = torch.zeros_like(self.outputs['loss']).requires_grad_()
        self._count_skip(', '.join(bad) or 'buffers of another process')

    def call_hook(self, fn_name: str) -> None:
        """Call all hooks, without fp16's optimizer hook after a skipped step.

        Its loss scaler takes a step without any gradient for an error.
        """
        for hook in list(self._hooks):
            skip = self._skipping and fn_name == 'after_train_iter'
            if not (skip and isinstance(hook, Fp16OptimizerHook)):
                getattr(hook, fn_name)(self)

    def _refuse_nonfinite_gradient(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Empty the step of the optimizer where a gradient is not finite.

        Gradients are means over processes by now, so all of them find the same.
        """
        parameters = [p for group in optimizer.param_groups for p in group['params']]
        grads = [p.grad for p in parameters if p.grad is not None]
        if not grads:
            return
        if all_finite(grads):
            self._bad_in_a_row = 0
            return
        for parameter in parameters:
            parameter.grad = None
        if self._snapshot:
            self._snapshot.restore()
        self._count_skip('gradient')

    def _count_skip(self, what: str) -> None:
        """Count and log a skipped step, with the pictures of all processes.

        Raises:
            ValueError: After ``max_nonfinite`` in a row.
        """
        self._bad_in_a_row += 1
        self.meta['skipped_steps'] = self.meta.get('skipped_steps', 0) + 1
        pictures = ', '.join(self._pictures())
        self.logger.warning(
            f'Iteration {self.iter + 1}: {what} not finite, the step is skipped '
            f'({self.meta["skipped_steps"]} so far); pictures: {pictures}'
        )
        if self._bad_in_a_row >= self.max_nonfinite:
            raise ValueError(
                f'{what} not finite in {self._bad_in_a_row} steps in a row up to iteration '
                f'{self.iter + 1} (the last pictures: {pictures}); lower optimizer.lr or lengthen '
                'lr_config.warmup_iters, then --auto-resume; runner.max_nonfinite sets the number'
            )

    def _pictures(self) -> list[str]:
        metas = self.data_batch['img_metas']
        metas = metas.data[0] if hasattr(metas, 'data') else metas
        names = [meta.get('ori_filename') or str(meta.get('filename')) for meta in metas]
        return gather_items(names)

    def _stop_if_asked(self) -> None:
        if self.iter >= self.max_iters:
            return  # The training is over, and is saved and told as such.
        # A signal reaches the processes at different steps: they stop after the same one.
        asked = any_process(self._asked_to_stop(), next(self.model.parameters()).device)
        turns = [
            hook.cumulative_iters
            for hook in self.hooks
            if isinstance(hook, GradientCumulativeOptimizerHook)
        ]
        if not asked or any(self.iter % turn for turn in turns):
            return
        if self.rank == 0:
            self.save_checkpoint(self.work_dir, STOPPED)
        if self.world_size > 1:
            dist.barrier()
        raise TrainingStopped(
            f'SIGTERM: stopped after iteration {self.iter} of {self.max_iters} and saved '
            f'{Path(self.work_dir) / STOPPED}; --auto-resume goes on from there'
        )

    def save_checkpoint(
        self,
        out_dir: str,
        filename_tmpl: str | None = None,
        save_optimizer: bool = True,
        meta: dict | None = None,
        create_symlink: bool = True,
    ) -> None:
        """Save the run as it stands after the last whole step.

        Args:
            out_dir: Folder.
            filename_tmpl: Name, in which ``{}`` is the number of epochs; by default ``iter_N.pth``
                in the middle of an epoch and ``epoch_N.pth`` after it.
            save_optimizer: Whether the optimizer's state is saved, which a resume needs.
            meta: Further entries of ``meta``.
            create_symlink: Whether ``latest.pth`` is to point to the file.

        Raises:
            OSError: It cannot be written.
        """
        length = len(self.data_loader)
        iterations = self.epoch * length + self._batches_done
        epochs, inner = divmod(iterations, length)
        if filename_tmpl is None:
            between = self._in_step or inner
            filename_tmpl = f'iter_{iterations}.pth' if between else 'epoch_{}.pth'
        model = self.bare_model
        content = dict(
            meta={
                **(meta or {}),
                **self.meta,
                'epoch': epochs,
                'iter': iterations,
                'inner_iter': inner,
                'epoch_iters': length,
                'CLASSES': getattr(model, 'CLASSES', None),
            },
            state_dict=weights_to_cpu(get_state_dict(model)),
        )
        if save_optimizer:
            content['optimizer'] = self.optimizer.state_dict()
        path = Path(out_dir) / filename_tmpl.format(self.epoch + 1)
        write_checkpoint(content, path, 'latest.pth' if create_symlink else None)

    def resume(
        self, checkpoint: str, resume_optimizer: bool = True, map_location: Any = 'cpu'
    ) -> None:
        """Go on from a checkpoint.

        Nothing in the file is run: mmcv's own method would execute the config that it holds.

        Args:
            checkpoint: Path.
            resume_optimizer: Whether the optimizer's state is restored.
            map_location: Not used; files are read on the CPU and copied.

        Raises:
            FileNotFoundError: No such file.
            ValueError: A file that is broken, of another model, or without the state of a run.
        """
        content = load_checkpoint_file(checkpoint, self.trust)
        fit_weights(self.bare_model, content, checkpoint)
        meta = content.get('meta') or {}
        if not {'epoch', 'iter'} <= set(meta) or (resume_optimizer and 'optimizer' not in content):
            raise ValueError(
                f'{checkpoint}: holds weights but no state of a run to go on with; '
                'set load_from to it, to start a run from its weights'
            )
        if resume_optimizer:
            self.optimizer.load_state_dict(content['optimizer'])
        self.meta = {**meta, **self.meta}
        self._epoch, self._iter = int(meta['epoch']), int(meta['iter'])
        self._done = Fraction(int(meta.get('inner_iter', 0)), int(meta.get('epoch_iters', 1)))
        if not self._done and self._epoch:
            self._epoch, self._done = self._epoch - 1, Fraction(1)
        self.logger.info(f'Resumed {checkpoint}: {meta["epoch"]} epochs, iteration {self._iter}')

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load the weights that fit, as ``load_from`` does; what does not is logged.

        Raises:
            FileNotFoundError: No such file; addresses are not downloaded.
            ValueError: A file that is broken or holds more than weights and plain data.
        """
        content = load_checkpoint_file(filename, self.trust)
        load_what_fits(self.bare_model, state_dict_of(content, filename), False, self.logger)
        return content
