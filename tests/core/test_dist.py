import pytest
import torch

from mmdet_ps.core.dist import (
    any_process,
    gather_items,
    gather_rows,
    gather_rows_with_grad,
    mean_over_processes,
)

from .processes import gathered


def test_alone():
    rows = torch.rand(3, 2, requires_grad=True)
    assert torch.equal(gather_rows(rows), rows)
    assert gather_rows_with_grad(rows) is rows
    assert mean_over_processes(torch.tensor(3.0)) == 3
    assert any_process(True, torch.device('cpu')) and not any_process(False, torch.device('cpu'))
    assert gather_items(['a']) == ['a']


def on_rank(sizes):
    torch.distributed.init_process_group('gloo')
    rank = torch.distributed.get_rank()
    rows = (10.0 * rank + torch.arange(sizes[rank])[:, None]).repeat(1, 2).requires_grad_()
    together = gather_rows_with_grad(rows)
    # Row i counts i + 1 times in what both processes compute.
    (together * torch.arange(1, len(together) + 1)[:, None]).sum().backward()
    return dict(
        rows=gather_rows(rows),
        same=torch.equal(together, gather_rows(rows)),
        grad=rows.grad[:, 0].tolist(),
        mean=mean_over_processes(torch.tensor(float(rank))).item(),
        any=[any_process(rank == other, torch.device('cpu')) for other in range(3)],
        items=gather_items([rank] * sizes[rank]),
    )


@pytest.mark.slow
def test_unequal_numbers_of_rows(tmp_path):
    first, second = gathered(tmp_path / 'a', 2, on_rank, [2, 3])
    assert torch.equal(first['rows'], second['rows'])
    assert first['rows'][:, 0].tolist() == [0, 1, 10, 11, 12]
    assert first['same'] and second['same']
    # Twice, once a process; DistributedDataParallel's mean halves it.
    assert first['grad'] == [2, 4] and second['grad'] == [6, 8, 10]
    assert first['mean'] == second['mean'] == 0.5
    assert first['any'] == second['any'] == [True, True, False]
    assert first['items'] == second['items'] == [0, 0, 1, 1, 1]
    first, second = gathered(tmp_path / 'b', 2, on_rank, [0, 2])
    assert second['rows'][:, 0].tolist() == [10, 11]
    assert first['grad'] == [] and second['grad'] == [2, 4]
