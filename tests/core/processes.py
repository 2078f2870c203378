"""Functions run by several processes that talk over gloo, and by processes that get killed."""

import multiprocessing
import os
import socket
import time
import traceback
from pathlib import Path

import torch
import torch.distributed as dist

# A server that has imported everything forks each process: seconds saved, and nothing of the test
# session (threads, an initialised CUDA) is inherited.
_context = multiprocessing.get_context('forkserver')
_context.set_forkserver_preload(['mmdet_ps.apis', __name__])


def start(function, *arguments):
    """Start ``function(*arguments)``, of a test module's top level, in a process of its own."""
    process = _context.Process(target=_alone, args=(function, arguments))
    process.start()
    return process


def _alone(function, arguments):
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    torch.set_num_threads(1)
    function(*arguments)


def _member(rank, world_size, port, folder, function, arguments):
    """What torchrun's variables are to a process; ``function`` may join the others by itself."""
    os.environ.update(LOCAL_RANK=str(rank), RANK=str(rank), WORLD_SIZE=str(world_size))
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    try:
        torch.save(function(*arguments), folder / f'{rank}.pt')
        if world_size > 1:
            # A process that leaves while another still reads from it would break that one's read.
            while len(list(folder.glob('*.pt'))) < world_size:
                time.sleep(0.05)
            if dist.is_initialized():
                dist.destroy_process_group()
    except BaseException:
        (folder / f'{rank}.txt').write_text(traceback.format_exc())
        raise


def gathered(folder, world_size, function, *arguments, timeout=300):
    """What ``function(*arguments)`` returns on each of ``world_size`` processes, in rank order."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    members = [
        start(_member, rank, world_size, port, folder, function, arguments)
        for rank in range(world_size)
    ]
    for member in members:
        member.join(timeout)
    failed = [path.read_text() for path in sorted(folder.glob('*.txt'))]
    hung = [member for member in members if member.is_alive()]
    for member in hung:
        member.kill()
    codes = [member.exitcode for member in members]
    assert not failed and not any(codes), f'exit codes {codes}\n' + '\n'.join(failed)
    return [torch.load(folder / f'{rank}.pt', weights_only=False) for rank in range(world_size)]
