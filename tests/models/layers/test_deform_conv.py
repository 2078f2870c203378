import pytest
import torch
from mmcv.ops import DeformConv2dPack, ModulatedDeformConv2dPack, modulated_deform_conv2d

from mmdet_ps.models.layers import DCN, DCNv2, sampled_deform_conv2d
from mmdet_ps.models.layers.deform_conv import _sampling_grid

PAIRS = [(DCN, DeformConv2dPack), (DCNv2, ModulatedDeformConv2dPack)]


def assert_close(ours, theirs):
    """Equal to 1e-5 of the largest value."""
    torch.testing.assert_close(
        ours, theirs, rtol=0, atol=1e-5 * max(1.0, theirs.detach().abs().max().item())
    )


@pytest.mark.parametrize('ours, theirs', PAIRS)
@pytest.mark.parametrize('offsets', ['zero', 'random'])
@pytest.mark.parametrize(
    'in_channels, out_channels, height, width, stride, dilation',
    [
        (12, 8, 9, 13, 1, 1),  # weights before sampling
        (6, 8, 17, 11, 1, 1),  # weights after sampling
        (8, 8, 20, 21, 2, 1),
        (6, 4, 12, 15, 1, 2),
        (8, 4, 36, 60, 1, 1),
    ],
)
def test_equals_operator_of_mmcv(
    ours, theirs, offsets, in_channels, out_channels, height, width, stride, dilation
):
    torch.manual_seed(0)
    args = dict(kernel_size=3, stride=stride, padding=dilation, dilation=dilation)
    layer = ours(in_channels, out_channels, **args)
    reference = theirs(in_channels, out_channels, **args)
    if offsets == 'random':
        torch.nn.init.normal_(layer.conv_offset.weight, std=0.1)
        torch.nn.init.normal_(layer.conv_offset.bias, std=2.0)
    # The names of the state dict are mmcv's.
    reference.load_state_dict(layer.state_dict())
    x = torch.randn(2, in_channels, height, width)
    inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
    outputs = [layer(inputs[0]), reference(inputs[1])]
    assert_close(*outputs)
    grad = torch.randn_like(outputs[0])
    for out in outputs:
        out.backward(grad)
    assert_close(inputs[0].grad, inputs[1].grad)
    for (name, parameter), other in zip(
        layer.named_parameters(), reference.parameters(), strict=True
    ):
        assert parameter.grad.abs().sum() > 0, name
        assert_close(parameter.grad, other.grad)


@pytest.mark.parametrize('height, width', [(5, 1), (1, 7), (1, 1)])
def test_map_one_pixel_wide(height, width):
    torch.manual_seed(0)
    x, weight = torch.randn(2, 6, height, width), torch.randn(4, 6, 3, 3)
    offset = torch.randn(2, 18, height, width)
    ours = sampled_deform_conv2d(x, offset, weight, padding=(1, 1))
    mask, bias = torch.ones(2, 9, height, width), torch.zeros(4)
    theirs = modulated_deform_conv2d(x, offset, mask, weight, bias, 1, 1, 1, 1, 1)
    assert_close(ours, theirs)


@pytest.mark.parametrize('in_channels', [4, 8])
def test_channels_last(in_channels):
    torch.manual_seed(0)
    layer = DCN(in_channels, 6, kernel_size=3, padding=1)
    x = torch.randn(2, in_channels, 7, 9)
    torch.testing.assert_close(layer(x.contiguous(memory_format=torch.channels_last)), layer(x))


def test_whole_offsets_keep_their_cell():
    """The slope at a whole coordinate is that of the cell to its right, whatever the width."""
    for width in (1, 2, 3, 60, 63, 188, 511):
        grid = _sampling_grid(
            torch.zeros(1, 2, 1, width), (1, width), (1, 1), (1, 1), (0, 0), (1, 1)
        )
        back = ((grid.float()[0, 0, 0, :, 0] + 1) * width - 1) / 2
        assert (back >= torch.arange(width)).all()
        torch.testing.assert_close(back, torch.arange(width).float(), rtol=0, atol=1e-4)


def test_layers_stand_in_the_registry():
    from mmcv.cnn import build_conv_layer

    assert type(build_conv_layer(dict(type='DCN'), 4, 4, 3)) is DCN
    assert type(build_conv_layer(dict(type='DCNv2'), 4, 4, 3)) is DCNv2


@pytest.mark.parametrize('ours, theirs', PAIRS)
def test_groups_go_to_the_operator(ours, theirs):
    torch.manual_seed(0)
    layer, reference = (
        kind(8, 8, kernel_size=3, padding=1, groups=2, deform_groups=2) for kind in (ours, theirs)
    )
    torch.nn.init.normal_(layer.conv_offset.bias)
    reference.load_state_dict(layer.state_dict())
    x = torch.randn(1, 8, 6, 7)
    assert torch.equal(layer(x), reference(x))


@pytest.mark.gpu
@pytest.mark.parametrize('kind', [DCN, DCNv2])
def test_cuda_equals_cpu(kind):
    torch.manual_seed(0)
    layer = kind(8, 6, kernel_size=3, padding=1)
    torch.nn.init.normal_(layer.conv_offset.bias)
    x = torch.randn(2, 8, 20, 30)
    cpu = layer(x)
    assert_close(layer.cuda()(x.cuda()).cpu(), cpu)
