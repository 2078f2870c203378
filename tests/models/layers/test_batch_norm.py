import pytest
import torch
from torch import nn

from mmdet_ps.models.layers import SmallBatchNorm1d


def make(kind):
    torch.manual_seed(0)
    norm = kind(3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm


def test_several_rows_are_plain_batch_norm():
    ours, theirs = make(SmallBatchNorm1d), make(nn.BatchNorm1d)
    rows = torch.randn(4, 3)
    assert ours(rows).equal(theirs(rows))
    assert ours.running_var.equal(theirs.running_var)


def test_one_row_uses_the_running_statistics_and_leaves_them_alone():
    norm = make(SmallBatchNorm1d)
    mean, var = norm.running_mean.clone(), norm.running_var.clone()
    row = torch.randn(1, 3, requires_grad=True)
    out = norm(row)
    expected = (row - mean) / (var + norm.eps).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(out, expected)
    assert norm.running_mean.equal(mean)
    assert norm.running_var.equal(var)
    out.sum().backward()
    assert norm.weight.grad.ne(0).all()
    assert row.grad.ne(0).all()
    with pytest.raises(ValueError, match='more than 1 value'):
        make(nn.BatchNorm1d)(row)


@pytest.mark.parametrize('training', [True, False])
def test_no_row(training):
    norm = make(SmallBatchNorm1d).train(training)
    out = norm(torch.zeros(0, 3))
    assert out.shape == (0, 3)
    out.sum().backward()
    assert norm.weight.grad.equal(torch.zeros(3))
