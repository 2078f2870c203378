"""Every row of configs/ablations: what its model is made of, a training step and a test step."""

import math

import numpy as np
import pytest
import torch

from mmdet_ps.apis import load_config

from .leaves import (
    ABLATIONS,
    DATASETS,
    LEAVES,
    built,
    config,
    deformable,
    leaf,
    plain,
    starting,
    stepped,
)

DETECTION = {'loss_cls', 'loss_bbox', 'loss_centerness'}
RPN = {'loss_rpn_cls', 'loss_rpn_bbox'}
ROI = {'roi_loss_cls', 'roi_loss_bbox', 'roi_loss_oim'}
FULL = DETECTION | {'loss_oim', 'loss_tri'}
FIVE = [8, 16, 32, 64, 128]
TOWERS = {
    'neck': set(),
    'reg_tower': {'bbox_head.reg_convs', 'bbox_head.conv_reid'},
    'cls_tower': {'bbox_head.cls_convs', 'bbox_head.conv_reid'},
    'own_tower': {'bbox_head.reid_convs', 'bbox_head.conv_reid'},
}


def names(path):
    return str(path.relative_to(ABLATIONS))


def test_every_row_has_a_leaf_a_dataset_and_nothing_else_does():
    tables = sorted(path.parent for path in ABLATIONS.glob('*/table.py'))
    assert tables == sorted(ABLATIONS.iterdir())
    wanted = [
        folder / f'{row}_{dataset}.py'
        for folder in tables
        for row, entry in config(folder / 'table.py').table.rows.items()
        if not {'join', 'of', 'quoted'} & set(entry)
        for dataset in DATASETS
    ]
    assert sorted(wanted) == sorted(LEAVES)


@pytest.mark.parametrize('path', LEAVES, ids=names)
def test_leaf_says_its_own_difference_alone(path):
    """One base, whose model the row changes, and nothing but the model."""
    lines = path.read_text().splitlines()
    assert len(lines) <= 15
    bases = lines[0].split('[')[-1].split("'")
    base = (path.parent / bases[1]).resolve()
    row = path.stem.rsplit('_', 1)[0]
    entry = config(path.parent / 'table.py').table.rows[row]
    ours, theirs = plain(config(path)._cfg_dict), plain(config(base)._cfg_dict)
    ours.pop('table', None)
    assert (ours.pop('model') == theirs.pop('model')) == ('model' not in entry)
    assert ours == theirs


@pytest.mark.parametrize('path', LEAVES, ids=names)
def test_leaf_builds_and_runs_a_training_and_a_test_step(path):
    assert built(path).backbone is not None
    done = stepped(path)
    assert all(math.isfinite(value) for value in done.losses.values()), done.losses
    two_stage = config(path).model.type == 'TwoStageSearch'
    shared = 'shared_head.' if two_stage else 'backbone.layer4.'
    assert starting(done.moved, 'backbone.layer3.') and any(shared in name for name in done.moved)
    for result in done.results:
        assert len(result['bboxes']) > 0
        for feats in result['feats'].values():
            assert len(feats) == len(result['bboxes'])
            np.testing.assert_allclose(np.linalg.norm(feats, axis=1), 1, atol=1e-4)


def check_neck(path, lateral, output, concat, levels=1):
    """Which convolutions of the neck are deformable, of what size, and how maps are joined."""
    neck = built(path).neck
    places = deformable(built(path), 'neck')
    outputs = {f'fpn_convs.{name}' for name in neck.fpn_convs}
    assert places == (
        ({'lateral_convs.0', 'lateral_convs.1', 'lateral_convs.2'} if lateral else set())
        | (outputs if output else set())
    )
    for conv in neck.lateral_convs:
        assert conv.weight.shape[2:] == ((3, 3) if lateral else (1, 1))
    widths = [conv.in_channels // conv.out_channels for conv in neck.fpn_convs.values()]
    assert widths == ([3, 2, 1] if concat else [1, 1, 1])[: len(widths)]
    assert len(stepped(path).maps) == levels


def check_levels(path, strides, ends):
    """Where people are looked for: the strides of the maps, and the sizes that each learns."""
    head = built(path).bbox_head
    assert [s[0] for s in head.prior_generator.strides] == strides
    assert [high for _, high in head.regress_ranges] == [*ends, 1e8]
    assert [low for low, _ in head.regress_ranges] == [-1, *ends]
    sizes = [tuple(shape[2:]) for shape in stepped(path).maps]
    assert sizes == [(math.ceil(96 / s), math.ceil(160 / s)) for s in strides]


def check_reid_source(path, source):
    """What learns from the re-id loss: the neck always, a tower where the embedding is its."""
    learns = stepped(path).reid_parameters
    towers = set().union(*TOWERS.values())
    assert starting(learns, *towers) == TOWERS[source]
    assert starting(learns, 'neck.fpn_convs.', 'backbone.layer4') == {
        'neck.fpn_convs.',
        'backbone.layer4',
    }
    built_towers = {f'bbox_head.{name}' for name, _ in built(path).bbox_head.named_children()}
    assert ('bbox_head.reid_convs' in built_towers) == (source == 'own_tower')
    assert ('bbox_head.conv_reid' in built_towers) == (source != 'neck')


@pytest.mark.parametrize('dataset', DATASETS)
@pytest.mark.parametrize(
    'row, scale, region, task',
    [
        ('baseline', 0, 0, 0),
        ('sa', 1, 0, 0),
        ('ra', 0, 1, 0),
        ('ta', 0, 0, 1),
        ('sa_ra', 1, 1, 0),
        ('sa_ta', 1, 0, 1),
        ('ra_ta', 0, 1, 1),
        ('all', 1, 1, 1),
    ],
)
def test_fig6(row, scale, region, task, dataset):
    path = leaf('fig6', row, dataset)
    check_levels(path, [8] if scale else FIVE, [] if scale else [64, 128, 256, 512])
    check_neck(path, region, region, region, levels=1 if scale else 5)
    assert len(built(path).neck.extra_convs) == (0 if scale else 2)
    check_reid_source(path, 'neck' if task else 'own_tower')
    assert set(stepped(path).losses) == FULL


@pytest.mark.parametrize('dataset', DATASETS)
@pytest.mark.parametrize(
    'row, strides, ends',
    [
        ('p3', [8], []),
        ('p4', [16], []),
        ('p5', [32], []),
        ('p3_p4', [8, 16], [128]),
        ('p3_p4_p5', [8, 16, 32], [128, 256]),
    ],
)
def test_table1(row, strides, ends, dataset):
    path = leaf('table1', row, dataset)
    if dataset == 'synthetic':
        ends = [round(end * 480 / 1500) for end in ends]
    check_levels(path, strides, ends)
    check_reid_source(path, 'neck')


@pytest.mark.parametrize('row, levels', [('p3', 1), ('p3_p4', 2), ('p3_p4_p5', 3)])
def test_every_level_has_people_to_learn_in_the_drawn_scenes(row, levels):
    """People as tall as the 10th, 50th and 90th of 100 of the drawn ones, on maps of 480 x 288."""
    head = built(leaf('table1', row, 'synthetic')).bbox_head
    heights = torch.tensor([56.0, 101.0, 182.0])
    left = torch.tensor([60.0, 200.0, 340.0])
    boxes = torch.stack([left, 40 + 0 * left, left + 0.4 * heights, 40 + heights], dim=1)
    sizes = [(288 // stride[0], 480 // stride[0]) for stride in head.prior_generator.strides]
    points = head.prior_generator.grid_priors(sizes, device='cpu')
    labels, _ = head.get_targets(points, [boxes], [torch.zeros(3, dtype=torch.long)])
    assert [bool((level == 0).any()) for level in labels] == [True] * levels


@pytest.mark.parametrize('dataset', DATASETS)
@pytest.mark.parametrize(
    'row, lateral, output, concat',
    [
        ('none', 0, 0, 0),
        ('lateral', 1, 0, 0),
        ('output', 0, 1, 0),
        ('concat', 0, 0, 1),
        ('lateral_output', 1, 1, 0),
        ('lateral_concat', 1, 0, 1),
        ('output_concat', 0, 1, 1),
        ('all', 1, 1, 1),
    ],
)
def test_table2(row, lateral, output, concat, dataset):
    path = leaf('table2', row, dataset)
    check_neck(path, lateral, output, concat)
    check_levels(path, [8], [])
    check_reid_source(path, 'neck')


@pytest.mark.parametrize('dataset', DATASETS)
@pytest.mark.parametrize(
    'row, source',
    [('t1', 'reg_tower'), ('t2', 'cls_tower'), ('t3', 'own_tower'), ('reid_first', 'neck')],
)
def test_table3(row, source, dataset):
    path = leaf('table3', row, dataset)
    check_reid_source(path, source)
    check_neck(path, True, True, True)


@pytest.mark.parametrize('dataset', DATASETS)
@pytest.mark.parametrize(
    'row, triplet, lut', [('oim', 0, None), ('toim_no_lut', 1, False), ('toim', 1, True)]
)
def test_table4(row, triplet, lut, dataset):
    path = leaf('table4', row, dataset)
    loss = built(path).bbox_head.loss_reid
    assert (loss.triplet is not None) == bool(triplet)
    assert lut is None or loss.use_lut is lut
    assert set(stepped(path).losses) == (FULL if triplet else FULL - {'loss_tri'})
    check_reid_source(path, 'neck')


@pytest.mark.parametrize('dataset', DATASETS)
@pytest.mark.parametrize(
    'row, stages', [('none', ''), ('res3', '2'), ('res3_4', '23'), ('res3_5', '234')]
)
def test_table5(row, stages, dataset):
    path = leaf('table5', row, dataset)
    backbone = built(path).backbone
    expected = {
        f'layer{stage}.{block}.conv2'
        for stage in stages
        for block in range(len(getattr(backbone, f'layer{stage}')))
    }
    assert deformable(built(path), 'backbone') == expected
    kinds = {type(m).__name__ for m in backbone.modules() if hasattr(m, 'conv_offset')}
    assert kinds == ({'DCNv2'} if stages else set())
    moved = stepped(path).moved
    assert all(f'backbone.{name}.weight' in moved for name in expected)
    check_neck(path, True, True, True)


@pytest.mark.parametrize('dataset', DATASETS)
@pytest.mark.parametrize(
    'row, losses, feats, parts',
    [
        ('nae', DETECTION - {'loss_centerness'} | RPN | {'loss_oim'}, ['roi_align'], {'rpn_head'}),
        ('alignps', FULL, ['alignps'], {'neck', 'bbox_head'}),
        ('joint_no_rpn', FULL | ROI, ['alignps', 'roi_align'], {'neck', 'bbox_head'}),
        ('roi_align_only', DETECTION | ROI, ['roi_align'], {'neck', 'bbox_head'}),
        ('joint', FULL | RPN | ROI, ['alignps', 'roi_align'], {'neck', 'bbox_head', 'rpn_head'}),
    ],
)
def test_table6(row, losses, feats, parts, dataset):
    path = leaf('table6', row, dataset)
    done = stepped(path)
    assert set(done.losses) == losses
    assert [list(result['feats']) for result in done.results] == [feats, feats]
    children = {name for name, _ in built(path).named_children()}
    assert children & {'neck', 'bbox_head', 'rpn_head'} == parts
    assert ('roi_head' in children) == (row != 'alignps')
    assert len(getattr(built(path), 'mutual', [])) == 0


@pytest.mark.parametrize('dataset', DATASETS)
@pytest.mark.parametrize('row', ['none', 'mi', 'kl', 'dv', 'mi_kl', 'mi_dv', 'kl_dv', 'mi_kl_dv'])
def test_table7(row, dataset):
    path = leaf('table7', row, dataset)
    mutual = set() if row == 'none' else {f'loss_{kind}' for kind in row.split('_')}
    assert {loss.name for loss in built(path).mutual} == mutual
    assert set(stepped(path).losses) == FULL | RPN | ROI | mutual


def test_mutual_information_is_sized_for_the_branches():
    """The row that names no sizes gets those that the base config names."""
    for dataset in DATASETS:
        sizes = {
            row: [
                parameter.shape
                for loss in built(leaf('table7', row, dataset)).mutual
                for parameter in loss.parameters()
            ]
            for row in ('mi', 'mi_kl_dv')
        }
        assert sizes['mi'] == sizes['mi_kl_dv']


@pytest.mark.parametrize('path', LEAVES, ids=names)
def test_identities_are_those_of_the_dataset(path):
    pids, queue = dict(cuhk=(5532, 5000), prw=(483, 500), synthetic=(240, 300))[
        path.stem.rsplit('_', 1)[1]
    ]
    model = built(path)
    heads = [getattr(model, 'bbox_head', None), getattr(model, 'roi_head', None)]
    losses = [
        head.loss_reid.oim
        for head in (heads[0], getattr(heads[1], 'bbox_head', None))
        if head is not None and head.loss_reid is not None
    ]
    assert losses
    for loss in losses:
        assert loss.memory.table.shape[0] == pids
        assert loss.memory.queue.shape[0] == queue


def test_rows_that_are_one_model_are_one_config():
    """What several tables share is trained once, so it has to be equal."""
    for dataset in DATASETS:
        full = [('fig6', 'all'), ('table1', 'p3'), ('table2', 'all'), ('table3', 'reid_first')]
        full += [('table4', 'toim'), ('table6', 'alignps'), ('table8', 'alignps')]
        if dataset != 'synthetic':
            full.append(('table5', 'none'))
        groups = [
            full,
            [('fig6', 'sa_ta'), ('table2', 'none')],
            [('fig6', 'sa_ra'), ('table3', 't3')],
            [('table6', 'joint'), ('table7', 'none')],
            [('table6', 'nae'), ('table8', 'nae')],
            [('table7', 'mi'), ('table8', 'roi_alignps')],
            [('table8', 'seqnet'), ('table8', 'seqnet_cbgm')],
        ]
        for group in groups:
            models = [plain(config(leaf(t, row, dataset)).model) for t, row in group]
            assert all(model == models[0] for model in models), group


def test_table_names_a_reference_row():
    for path in ABLATIONS.glob('*/table.py'):
        table = config(path).table
        assert table.reference in table.rows
        for row in table.rows.values():
            assert row.label and set(row.get('join', [])) <= set(table.rows)
            assert ('of' in row) == ('feature' in row)
            assert row.get('retest', table.reference) in table.rows
            assert 'quoted' not in row or row.paper
            assert 'of' not in row or 'model' in table.rows[row.of]


@pytest.mark.parametrize('path', [leaf('table6', 'joint', 'prw'), leaf('table7', 'kl', 'cuhk')])
def test_override_of_a_leaf_merges_as_in_any_config(path, tmp_path):
    """On the command line and in a config that stands on the leaf; and not where it is lost."""
    override = dict(bbox_head=dict(stacked_convs=3))
    (tmp_path / 'own.py').write_text(f'_base_ = {str(path)!r}\nmodel = {override}\n')
    key = 'model.bbox_head.stacked_convs'
    for cfg in (load_config(tmp_path / 'own.py'), load_config(path, {key: 3})):
        assert cfg.model.bbox_head.stacked_convs == 3
        assert cfg.model.mutual == config(path).model.mutual
    with pytest.raises(KeyError, match='table: is a variable of the config files'):
        load_config(path, {'table.rows.kl.model.with_rpn': False})


@pytest.mark.parametrize('dataset', DATASETS)
def test_a_row_that_is_only_tested_otherwise_trains_as_its_source(dataset):
    ours, theirs = (
        plain(config(leaf('table8', row, dataset))._cfg_dict) for row in ('seqnet_cbgm', 'seqnet')
    )
    assert ours.pop('evaluation') != theirs.pop('evaluation')
    assert ours == theirs
