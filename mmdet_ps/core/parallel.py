"""A model on the one device of its process, alone or with other processes.

mmcv 1.7 hands batches over with functions that PyTorch 2 has changed (streams for an integer
device, ``_replicated_tensor_module``), and only to CUDA. One process drives one device here, so a
plain copy does, on CUDA and on the CPU alike.
"""

import atexit
import os
from typing import Any

import torch
import torch.distributed as dist
from mmcv import Config
from mmcv.parallel import DataContainer, MMDataParallel, MMDistributedDataParallel
from mmcv.runner import init_dist
from torch import Tensor, nn


def init_processes(launcher: str, cfg: Config) -> bool:
    """Join the other processes of a run.

    Args:
        launcher: ``'none'``, ``'pytorch'`` (torchrun), ``'slurm'`` or ``'mpi'``.
        cfg: Config with ``dist_params``; without CUDA the backend is gloo.

    Returns:
        Whether there is a process group.

    Raises:
        ValueError: A launcher's variables are missing, or it needs GPUs that are not there.
    """
    if launcher == 'none':
        return False
    if launcher == 'pytorch' and 'RANK' not in os.environ:
        raise ValueError(
            '--launcher pytorch without torchrun: start with tools/dist_train.sh CONFIG GPUS'
        )
    if torch.cuda.is_available():
        init_dist(launcher, **cfg.dist_params)
    elif launcher == 'pytorch':
        dist.init_process_group('gloo')
    else:
        raise ValueError(f'--launcher {launcher} needs GPUs; on CPUs use tools/dist_train.sh')
    # A process that ends with the group's threads still running can be aborted at its exit.
    atexit.register(_leave_processes)
    return True


def _leave_processes() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def to_device(value: Any, device: torch.device) -> Any:
    """Unpack DataContainers and copy tensors to a device, inside lists, tuples and dicts.

    A DataContainer holds a list over devices, of which there is one.
    """
    if isinstance(value, DataContainer):
        return value.data[0] if value.cpu_only else to_device(value.data[0], device)
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, list | tuple) and not hasattr(value, '_fields'):
        return type(value)(to_device(item, device) for item in value)
    if isinstance(value, dict):
        return {key: to_device(item, device) for key, item in value.items()}
    return value


class _OneDevice:
    """What the two wrappers share: how a batch reaches the module."""

    module: nn.Module

    def scatter(self, inputs: tuple, kwargs: dict, device_ids: list[int]) -> tuple[list, list]:
        """Copy a batch to the module's device; the lists over devices have one entry."""
        device = next(self.module.parameters()).device
        return [to_device(inputs, device)], [to_device(kwargs, device)]


class OneDeviceParallel(_OneDevice, MMDataParallel):
    """The wrapper of a single process."""


class OneDeviceDistributed(_OneDevice, MMDistributedDataParallel):
    """The wrapper of one process among several."""

    def train_step(self, *inputs: Any, **kwargs: Any) -> dict:
        """Run the module's ``train_step`` on the module's device."""
        (inputs,), (kwargs,) = self.scatter(inputs, kwargs, [])
        return super().train_step(*inputs, **kwargs)

    def val_step(self, *inputs: Any, **kwargs: Any) -> dict:
        """Run the module's ``val_step`` on the module's device."""
        (inputs,), (kwargs,) = self.scatter(inputs, kwargs, [])
        return super().val_step(*inputs, **kwargs)

    def _run_ddp_forward(self, *inputs: Any, **kwargs: Any) -> Any:
        (inputs,), (kwargs,) = self.scatter(inputs, kwargs, [])
        return self.module(*inputs, **kwargs)


def wrap_model(
    model: nn.Module, distributed: bool = False, find_unused_parameters: bool = False
) -> nn.Module:
    """Put a model on this process's device and wrap it for mmdet's training and test loops.

    Args:
        model: Detector.
        distributed: Whether processes share the work; the process group exists already.
        find_unused_parameters: Of ``DistributedDataParallel``.

    Returns:
        The wrapped model; buffers are not broadcast (every process keeps its own memory, which
        gathered updates keep equal).
    """
    cuda = torch.cuda.is_available()
    if cuda:
        model = model.cuda()
    if not distributed:
        return OneDeviceParallel(model, device_ids=[torch.cuda.current_device()] if cuda else None)
    return OneDeviceDistributed(
        model,
        device_ids=[torch.cuda.current_device()] if cuda else None,
        broadcast_buffers=False,
        find_unused_parameters=find_unused_parameters,
    )
