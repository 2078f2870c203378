"""The test loop: results in the dataset's order, from one process and from several."""

import pytest
import torch
from mmdet.datasets import build_dataloader
from torch import nn
from torch.utils.data import Dataset

from mmdet_ps.core.parallel import init_processes, wrap_model
from mmdet_ps.core.testing import collect_results

from .processes import gathered


class Numbers(Dataset):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, idx):
        return dict(number=torch.tensor(idx))


class Told(nn.Module):
    """Gives a result a sample, and says whether it was asked as a test asks."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, number, return_loss, rescale):
        assert not self.training and not torch.is_grad_enabled()
        assert return_loss is False and rescale is True
        return [dict(number=int(n)) for n in number]


def run(count, batch, distributed):
    if distributed:
        init_processes('pytorch', None)
    loader = build_dataloader(Numbers(count), batch, 0, dist=distributed, shuffle=False)
    return collect_results(wrap_model(Told(), distributed), loader)


@pytest.mark.parametrize('batch', [1, 2, 7])
def test_one_process(batch, capsys):
    assert run(5, batch, False) == [dict(number=n) for n in range(5)]
    assert capsys.readouterr().out == ''


@pytest.mark.slow
@pytest.mark.parametrize('count, batch', [(5, 1), (7, 2), (1, 1)])
def test_two_processes(tmp_path, count, batch):
    first, second = gathered(tmp_path / 'run', 2, run, count, batch, True)
    assert first == [dict(number=n) for n in range(count)]
    assert second is None
