import itertools

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.necks import FPN
from torch import nn

from mmdet_ps.models.layers import DCN
from mmdet_ps.models.necks import AFA

CHANNELS = (4, 6, 8)


def backbone_maps(n=2, height=16, width=24):
    torch.manual_seed(0)
    return tuple(torch.randn(n, c, height // 2**i, width // 2**i) for i, c in enumerate(CHANNELS))


@pytest.mark.parametrize(
    'lateral, output, fusion',
    itertools.product(['dcn', 'conv3x3', 'conv1x1'], ['dcn', 'conv3x3'], ['concat', 'sum']),
)
def test_variants(lateral, output, fusion):
    neck = AFA(CHANNELS, 5, lateral, output, fusion)
    neck.init_weights()
    (p3,) = neck(backbone_maps())
    assert p3.shape == (2, 5, 16, 24)
    assert all((type(conv) is DCN) == (lateral == 'dcn') for conv in neck.lateral_convs)
    assert type(neck.fpn_convs['0']) is (DCN if output == 'dcn' else nn.Conv2d)
    assert neck.fpn_convs['0'].in_channels == (15 if fusion == 'concat' else 5)
    for module in neck.modules():
        if isinstance(module, DCN):
            assert not module.conv_offset.weight.any() and not module.conv_offset.bias.any()


def test_concatenates_top_down():
    """P3 reads C3's lateral map, then C4's and C5's, each enlarged to its size."""
    neck = AFA(CHANNELS, 5)
    c3, c4, c5 = maps = backbone_maps()
    l3, l4, l5 = (conv(c) for conv, c in zip(neck.lateral_convs, maps, strict=True))
    joined = torch.cat(
        (l3, F.interpolate(l4, scale_factor=2), F.interpolate(l5, scale_factor=4)), 1
    )
    torch.testing.assert_close(neck(maps)[0], neck.fpn_convs['0'](joined))


def test_plain_variant_is_fpn():
    """With 1 x 1 laterals, 3 x 3 outputs and the sum it computes mmdet's FPN, P3 to P7."""
    levels = (3, 4, 5, 6, 7)
    neck = AFA(CHANNELS, 5, 'conv1x1', 'conv3x3', 'sum', levels)
    fpn = FPN(
        list(CHANNELS), 5, num_outs=5, add_extra_convs='on_output', relu_before_extra_convs=True
    )
    with torch.no_grad():
        for i in range(3):
            fpn.lateral_convs[i].conv.load_state_dict(neck.lateral_convs[i].state_dict())
            fpn.fpn_convs[i].conv.load_state_dict(neck.fpn_convs[str(i)].state_dict())
        for i, conv in enumerate(neck.extra_convs):
            fpn.fpn_convs[3 + i].conv.load_state_dict(conv.state_dict())
    maps = backbone_maps(height=64, width=64)
    for ours, theirs in zip(neck(maps), fpn(maps), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize('levels', [(3,), (4,), (5,), (3, 4), (3, 4, 5), (3, 4, 5, 6, 7), (5, 6)])
def test_computes_only_the_levels_asked_for(levels):
    neck = AFA(CHANNELS, 5, out_levels=levels)
    outs = neck(backbone_maps(height=64, width=64))
    assert [out.shape[-1] for out in outs] == [64 // 2 ** (level - 3) for level in levels]
    sum(out.sum() for out in outs).backward()
    for name, parameter in neck.named_parameters():
        assert parameter.grad is not None, name


def test_names_are_those_of_the_published_weights():
    names = set(AFA(CHANNELS, 5).state_dict())
    assert {'lateral_convs.2.weight', 'lateral_convs.0.conv_offset.bias'} <= names
    assert {'fpn_convs.0.weight', 'fpn_convs.0.conv_offset.weight'} <= names


@pytest.mark.parametrize(
    'bad, words',
    [
        (dict(lateral='deform'), "lateral='deform'.*dcn, conv3x3, conv1x1"),
        (dict(output='conv1x1'), "output='conv1x1'.*dcn, conv3x3"),
        (dict(fusion='mean'), "fusion='mean'.*concat, sum"),
        (dict(out_levels=(4, 3)), 'out_levels.*ascending'),
        (dict(out_levels=(2, 3)), 'out_levels.*from 3'),
    ],
)
def test_bad_arguments(bad, words):
    with pytest.raises(ValueError, match=words):
        AFA(CHANNELS, 5, **bad)


def test_wrong_number_of_maps():
    with pytest.raises(ValueError, match='2 maps for 3 in_channels'):
        AFA(CHANNELS, 5)(backbone_maps()[:2])
