import pytest
import torch

from mmdet_ps.models.converters import convert, recognise
from mmdet_ps.models.converters.alignps_released import LAYOUTS as KNOWN

from .released import LAYOUTS, blank_state, build, layout

TABLE = 'bbox_head.labeled_matching_layer.lookup_table'
LEVELS = [
    *(f'bbox_head.scales.{level}.scale' for level in range(1, 5)),
    *(
        f'neck.fpn_convs.{level}.{leaf}'
        for level in (1, 2)
        for leaf in ('weight', 'conv_offset.weight', 'conv_offset.bias')
    ),
    *(f'neck.fpn_convs.{level}.conv.{leaf}' for level in (3, 4) for leaf in ('weight', 'bias')),
]
QUEUE = [f'bbox_head.unlabeled_matching_layer.{leaf}' for leaf in ('queue', 'tail')]
ROI_ONLY = [
    'roi_head.bbox_head.fc_cls.weight',
    'roi_head.bbox_head.fc_cls.bias',
    'loss_oim.lut',
    'loss_oim.cq',
    'labeled_matching_layer.lookup_table',
    'unlabeled_matching_layer.queue',
    'unlabeled_matching_layer.tail',
]


@pytest.fixture(scope='module')
def alignps():
    return build('alignps_prw').state_dict()


@pytest.fixture(scope='module')
def roi_alignps():
    return build('roi_alignps_prw').state_dict()


def test_layout_lists():
    assert sorted(KNOWN) == sorted(LAYOUTS)
    sizes = {name: len(layout(name)) for name in LAYOUTS}
    assert sizes == {
        'alignps_cuhk': 390,
        'alignps_prw': 390,
        'alignps-dcn_cuhk': 416,
        'alignps-dcn_prw': 416,
        'roi_alignps_cuhk': 495,
        'roi_alignps_prw': 495,
    }


@pytest.mark.parametrize('name', LAYOUTS)
def test_every_tensor_is_accounted_for(name):
    state = blank_state(name)
    assert recognise(state) == name
    model = build(name)
    done = convert(state, model.state_dict())
    assert set(done.placed) | set(done.dropped) == set(state)
    assert not set(done.placed) & set(done.dropped)
    assert sorted(done.dropped) == sorted(
        LEVELS + QUEUE + (ROI_ONLY if name.startswith('roi') else [])
    )
    assert all(done.dropped.values())
    assert set(done.placed.values()) | set(done.fresh) == set(model.state_dict())
    assert not set(done.placed.values()) & set(done.fresh)
    assert all(done.state_dict[new] is state[old] for old, new in done.placed.items())
    # `ones` in the table of every identity; what no batch has touched yet stays out of triplets.
    assert done.state_dict['bbox_head.loss_reid.oim.memory.touched'].all()
    assert not done.state_dict['bbox_head.loss_reid.oim.memory.queue'].any()
    model.load_state_dict(done.state_dict, strict=True)


def test_roi_memory_and_estimator_are_kept(roi_alignps):
    state = blank_state('roi_alignps_prw')
    state['roi_head.bbox_head.loss_oim.lut'] = torch.randn(483, 256)
    done = convert(state, roi_alignps)
    memory = 'roi_head.bbox_head.loss_reid.oim.memory'
    assert done.state_dict[f'{memory}.table'] is state['roi_head.bbox_head.loss_oim.lut']
    assert done.state_dict[f'{memory}.queue'] is state['roi_head.bbox_head.loss_oim.cq']
    assert done.placed['mi_estimator.T_func.2.bias'] == 'mutual.0.estimator.2.bias'
    assert 'second memory' in done.dropped['loss_oim.lut']


def test_untouched_rows(alignps):
    state = blank_state('alignps_prw')
    table = torch.ones(483, 256)
    table[[3, 7]] = 0
    state[TABLE] = table
    touched = convert(state, alignps).state_dict['bbox_head.loss_reid.oim.memory.touched']
    assert (~touched).nonzero().flatten().tolist() == [3, 7]


def test_what_cannot_be_placed_is_named(alignps):
    state = blank_state('alignps_prw') | {'bbox_head.conv_new.weight': torch.ones(1)}
    state['bbox_head.conv_cls.bias'] = torch.ones(2)
    del state['neck.fpn_convs.0.weight']
    with pytest.raises(ValueError) as caught:
        convert(state, alignps)
    assert str(caught.value) == (
        'no place for: bbox_head.conv_new.weight; '
        'of another shape: bbox_head.conv_cls.bias (2,) for (1,); '
        'missing: neck.fpn_convs.0.weight'
    )


def test_no_table(alignps):
    state = blank_state('alignps_prw')
    del state[TABLE]
    with pytest.raises(ValueError, match='--arch alignps_cuhk or alignps_prw'):
        recognise(state)
    assert recognise(state, 'alignps_cuhk') == 'alignps_cuhk'
    with pytest.raises(ValueError, match='it is alignps_cuhk or alignps_prw, not alignps-dcn_prw'):
        recognise(state, 'alignps-dcn_prw')
    done = convert(state, alignps)
    assert 'no lookup table' in done.fresh['bbox_head.loss_reid.oim.memory.table']
    assert not done.state_dict['bbox_head.loss_reid.oim.memory.touched'].any()


def test_another_layout_than_it_should_be():
    state = blank_state('alignps_prw')
    assert recognise(state, 'alignps_prw') == 'alignps_prw'
    with pytest.raises(ValueError, match='it is alignps_prw, not alignps_cuhk'):
        recognise(state, 'alignps_cuhk')


@pytest.mark.parametrize(
    'state, said',
    [
        ({'conv1.weight': torch.ones(1)}, 'none of the published layouts'),
        ({'bbox_head.loss_reid.oim.memory.table': torch.ones(1)}, "this project's names already"),
        (blank_state('alignps_prw') | {TABLE: torch.ones(484, 256)}, 'has 484 rows'),
    ],
)
def test_not_a_published_file(state, said):
    with pytest.raises(ValueError, match=said):
        recognise(state)
