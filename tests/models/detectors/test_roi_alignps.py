import copy

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from mmcv import Config
from mmdet.core.optimizers import build_optimizer

from mmdet_ps.core.parallel import OneDeviceDistributed, OneDeviceParallel
from mmdet_ps.models.losses import TOIMLoss
from mmdet_ps.models.losses.identity_means import common_identity_means

from .tiny_models import CONFIGS, MI, MUTUAL, find, tiny_batch, tiny_model

ALIGNPS = ['loss_cls', 'loss_bbox', 'loss_centerness', 'loss_oim', 'loss_tri']
RPN = ['loss_rpn_cls', 'loss_rpn_bbox']
ROI = ['roi_loss_cls', 'roi_loss_bbox', 'roi_loss_oim']
BETWEEN = ['loss_mi', 'loss_kl', 'loss_dv']


def parameters(model):
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


@pytest.mark.parametrize(
    'pids',
    [((3, -1), (5, 3)), ((3,), ()), ((), ()), ((-1,), (-1,))],
    ids=['two in common', 'one', 'nobody', 'none labelled'],
)
@pytest.mark.parametrize('with_rpn', [True, False])
def test_losses_and_gradients(with_rpn, pids):
    """The same names on all three turns, whoever is there, and every parameter in use."""
    model = tiny_model('roi_alignps', with_rpn=with_rpn, mutual=MUTUAL).train()
    for step in range(3):
        model.zero_grad()
        losses = model(**tiny_batch(pids))
        assert list(losses) == ALIGNPS + RPN * with_rpn + ROI + BETWEEN
        loss, values = model._parse_losses(losses)
        loss.backward()
        assert loss.isfinite()
        for name, p in parameters(model):
            assert p.grad is not None, name
            assert p.grad.isfinite().all(), name
        shared = {pid for image in pids for pid in image if pid >= 0}
        assert (values['loss_mi'] != 0) == (len(shared) > 1)
        assert (values['loss_dv'] != 0) == (len(shared) > 0)
        # Nobody is known in the first step: both branches hold all identities equally likely.
        assert (values['loss_kl'] != 0) == (len(shared) > 0 and step > 0)


def mutual_losses(model, alignps, roi):
    """The losses between two branches that have seen these features with these pids."""
    heads = model.bbox_head, model.roi_head.bbox_head
    return model._mutual_losses(
        *(
            head.loss_reid.losses_and_people(*people)[1]
            for head, people in zip(heads, (alignps, roi), strict=True)
        )
    )


def test_none_in_common():
    """People that one branch alone has seen: the losses between the branches are 0."""
    model = tiny_model('roi_alignps', mutual=MUTUAL).train()
    torch.manual_seed(0)
    feats_a, feats_b = torch.randn(2, 3, 16, requires_grad=True)
    losses = mutual_losses(
        model, (feats_a, torch.tensor([1, 2, -1])), (feats_b, torch.tensor([4, -1, 5]))
    )
    assert list(losses) == BETWEEN
    sum(losses.values()).backward()
    assert all(loss.item() == 0 for loss in losses.values())


@pytest.mark.parametrize('chosen', [[], [0], [1, 2]])
def test_any_subset_of_mutual_losses(chosen):
    model = tiny_model('roi_alignps', mutual=[MUTUAL[i] for i in chosen]).train()
    losses = model(**tiny_batch())
    assert list(losses) == ALIGNPS + RPN + ROI + [BETWEEN[i] for i in chosen]


def test_mutual_losses_reach_both_branches():
    kl = dict(type='KLMutualLoss', direction='both')
    model = tiny_model('roi_alignps', mutual=[kl, MUTUAL[2]]).train()
    model(**tiny_batch())
    losses = model(**tiny_batch())
    for loss in losses['loss_kl'], losses['loss_dv']:
        model.zero_grad()
        loss.backward(retain_graph=True)
        assert model.neck.fpn_convs['0'].weight.grad.ne(0).any()
        assert model.roi_head.shared_head.layer4[0].conv1.weight.grad.ne(0).any()


def test_without_rpn_there_is_none():
    model = tiny_model('roi_alignps', with_rpn=False)
    assert not any('rpn' in name for name in model.state_dict())


def test_rois_without_rpn_are_own_detections_and_ground_truth():
    """What the branch trains on equals what a test of the same weights would find."""
    model = tiny_model('roi_alignps', with_rpn=False, backbone={'norm_eval': True})
    model.roi_head.shared_head.norm_eval = True
    torch.nn.init.zeros_(model.bbox_head.conv_cls.bias)
    batch = tiny_batch()
    found = find(model, batch['img'])
    seen = {}
    losses_and_people = model.roi_head.losses_and_people

    def watched(c4, metas, proposals, *args):
        seen['proposals'] = proposals
        return losses_and_people(c4, metas, proposals, *args)

    model.roi_head.losses_and_people = watched
    model.train()(**batch)
    for proposals, result in zip(seen['proposals'], found, strict=True):
        assert len(proposals) > 0
        assert not proposals.requires_grad
        np.testing.assert_allclose(proposals[:, :4] / 1.25, result['bboxes'][:, :4], atol=1e-3)


def test_detection_only_branch():
    """ROI-Align*: AlignPS has no re-id loss and gives no feature."""
    options = {'bbox_head.loss_reid': None}
    model = tiny_model('roi_alignps', mutual=[], **options).train()
    losses = model(**tiny_batch())
    assert list(losses) == ALIGNPS[:3] + RPN + ROI
    sum(model._parse_losses(losses)[:1]).backward()
    assert all(p.grad is not None for _, p in parameters(model))
    torch.nn.init.zeros_(model.bbox_head.conv_cls.bias)
    (result,) = find(model, tiny_batch()['img'][:1])
    assert list(result['feats']) == ['roi_align']
    assert result['feats']['roi_align'].shape == (len(result['bboxes']), 16)
    with pytest.raises(ValueError, match='its AlignPS branch has no re-id features'):
        tiny_model('roi_alignps', **options)


@pytest.mark.parametrize('count', [1, 2])
def test_wrong_configs(count):
    if count == 2:
        with pytest.raises(ValueError, match='one kind of loss twice'):
            tiny_model('roi_alignps', mutual=[MI, MI])
    else:
        with pytest.raises(ValueError, match='needs rpn_head'):
            tiny_model('roi_alignps', rpn_head=None)


def detecting():
    """A model whose class scores start at one half, so that it finds something."""
    model = tiny_model('roi_alignps')
    torch.nn.init.zeros_(model.bbox_head.conv_cls.bias)
    return model


def test_a_batch_gives_each_pictures_result():
    model, img = detecting(), tiny_batch()['img']
    for image, expected in zip(img, find(model, img), strict=True):
        (alone,) = find(model, image[None])
        assert len(expected['bboxes']) > 0
        np.testing.assert_allclose(alone['bboxes'], expected['bboxes'], atol=1e-3)
        assert list(alone['feats']) == ['alignps', 'roi_align']
        for name, feats in alone['feats'].items():
            np.testing.assert_allclose(feats, expected['feats'][name], atol=1e-4)


def test_boxes_are_those_of_alignps_and_the_rpn_rests():
    model, img = detecting(), tiny_batch()['img']
    model.rpn_head.forward = None
    result = find(model, img)[0]
    with torch.no_grad():
        dets, feats = model.bbox_head.get_bboxes(
            *model.bbox_head(model.extract_feat(img)), [dict(img_shape=(96, 128, 3))] * 2
        )[0]
        described = model.roi_head.box_embeddings(model.backbone(img)[1:2], [dets, dets[:0]])[0]
    np.testing.assert_allclose(result['bboxes'][:, :4] * 1.25, dets[:, :4], atol=1e-3)
    np.testing.assert_allclose(result['feats']['alignps'], feats, atol=1e-5)
    np.testing.assert_allclose(result['feats']['roi_align'], described, atol=1e-5)


def test_pictures_without_detections():
    model = tiny_model('roi_alignps')
    torch.nn.init.constant_(model.bbox_head.conv_cls.bias, -20)
    for result in find(model, tiny_batch()['img']):
        assert result['bboxes'].shape == (0, 5)
        assert [f.shape for f in result['feats'].values()] == [(0, 16), (0, 16)]


def test_given_boxes():
    model, batch = detecting(), tiny_batch()
    given = find(model, batch['img'], gt_bboxes=[batch['gt_bboxes']])
    queried = find(model, batch['img'], query_bboxes=[[b[:1] for b in batch['gt_bboxes']]])
    for described, result in zip(given, queried, strict=True):
        for name in ('alignps', 'roi_align'):
            np.testing.assert_allclose(
                result['query_feats'][name], described['feats'][name][:1], atol=1e-5
            )
            np.testing.assert_allclose(
                np.linalg.norm(described['feats'][name], axis=1), 1, atol=1e-5
            )


def test_kl_reads_the_memories_before_this_step():
    """Those after it hold the very features that are compared."""
    model = tiny_model('roi_alignps', mutual=[dict(type='KLMutualLoss')]).train()
    heads = model.bbox_head, model.roi_head.bbox_head
    for step in range(3):
        before = [copy.deepcopy(head.loss_reid.oim.memory) for head in heads]
        seen = []
        for head in heads:
            head.loss_reid.losses_and_people = recording(head.loss_reid, seen)
        loss = model(**tiny_batch(seed=step))['loss_kl']
        means = common_identity_means(*seen)
        log_p = [
            (means[i] @ torch.cat((m.table, m.queue)).t() / 0.1).log_softmax(1)[:, :9]
            for i, m in enumerate(before)
        ]
        divergence = log_p[0].exp() * (log_p[0] - log_p[1])
        torch.testing.assert_close(loss, divergence.sum(1).mean())
        assert not before[0].table.equal(heads[0].loss_reid.oim.memory.table)


def recording(loss_reid, seen):
    def call(*args):
        losses, people = TOIMLoss.losses_and_people(loss_reid, *args)
        seen.append(people)
        return losses, people

    return call


@pytest.mark.parametrize('optimizer', ['sgd_24e_roi', 'adamw_tiny'])
def test_estimator_stands_still_in_a_training_by_mmdets_loop(optimizer):
    """What mmdet's train_detector builds from the schedules, momentum and decay raised."""
    cfg = Config.fromfile(str(CONFIGS / f'_base_/schedules/{optimizer}.py')).optimizer
    cfg.update(lr=0.01, weight_decay=0.1)
    model = tiny_model('roi_alignps').train()
    optimizer = build_optimizer(OneDeviceParallel(model), cfg)
    (loss,) = model.mutual
    for turn in range(6):
        before = [p.detach().clone() for p in loss.estimator.parameters()]
        neck = model.neck.fpn_convs['0'].weight.detach().clone()
        optimizer.zero_grad()
        model.train_step(tiny_batch(), optimizer)['loss'].backward()
        optimizer.step()
        still = [p.equal(old) for p, old in zip(loss.estimator.parameters(), before, strict=True)]
        assert still[:3] == [turn % 3 == 2] * 3
        assert not model.neck.fpn_convs['0'].weight.equal(neck)


@pytest.mark.parametrize('name', ['nae', 'roi_alignps'])
def test_pids_are_needed(name):
    batch = tiny_batch()
    del batch['gt_pids']
    with pytest.raises(KeyError, match="name 'gt_pids' in the keys of Collect"):
        tiny_model(name).train()(**batch)


def test_paper_configs_agree_between_the_branches():
    for dataset, sizes in (('cuhk', (5532, 5000)), ('prw', (483, 500))):
        model = Config.fromfile(str(CONFIGS / f'roi_alignps/roi_alignps_r50_{dataset}.py')).model
        for head in (model.bbox_head, model.roi_head.bbox_head):
            assert (head.loss_reid.oim.num_pids, head.loss_reid.oim.queue_size) == sizes
        assert [loss.type for loss in model.mutual] == ['MutualInformationLoss']


VARIANTS = [
    dict(mutual=MUTUAL),
    dict(with_rpn=False),
    {'bbox_head.loss_reid': None, 'mutual': []},
]


def _process(rank, folder):
    """What each of two processes does; the parent compares."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2
    )
    trained = [_train(rank, options) for options in VARIANTS]
    rows = slice(0, 2) if rank == 0 else slice(2, 7)
    torch.save((trained, _mutual_gradients(rows)), f'{folder}/{rank}.pth')


def _train(rank, options):
    """Four steps; people only in the pictures of process 0, other initial weights on each."""
    model = tiny_model('roi_alignps', seed=rank, **options).train()
    wrapped = OneDeviceDistributed(model, broadcast_buffers=False)
    sgd = dict(type='SGD', constructor='TurnsOptimizerConstructor', lr=0.01, momentum=0.9)
    optimizer = build_optimizer(wrapped, sgd)
    steps = []
    for step in range(4):
        pids = ((3, -1), (5, 3)) if rank == 0 else ((), ())
        optimizer.zero_grad()
        outputs = wrapped.train_step(tiny_batch(pids, seed=step + 9 * rank), optimizer)
        outputs['loss'].backward()
        optimizer.step()
        estimators = [loss.estimator[0] for loss in model.mutual if loss.name == 'loss_mi']
        weights = [estimator.weight.detach().clone() for estimator in estimators]
        steps.append((outputs['log_vars'], weights))
    memories = {name: b for name, b in model.named_buffers() if 'memory' in name}
    return steps, memories | {name: p.detach() for name, p in model.named_parameters()}


def _mutual_gradients(rows):
    """Mutual losses of people spread unevenly over the processes, in the features' turn."""
    model = tiny_model('roi_alignps', mutual=MUTUAL).train()
    torch.manual_seed(4)
    feats_a, feats_b = torch.randn(2, 7, 16)
    pids_a, pids_b = torch.tensor([[1, 2, 2, 1, -1, 3, 6], [2, 8, 1, 3, 3, -1, 2]])
    feats_a, feats_b = feats_a[rows].requires_grad_(), feats_b[rows].requires_grad_()
    for head in (model.bbox_head, model.roi_head.bbox_head):
        head.loss_reid.oim.memory.table.normal_()
    model.mutual[0].step.fill_(2)
    losses = mutual_losses(model, (feats_a, pids_a[rows]), (feats_b, pids_b[rows]))
    sum(losses.values()).backward()
    values = {name: value.item() for name, value in losses.items()}
    return values, feats_a.grad, feats_b.grad


@pytest.fixture(scope='module')
def processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('processes')
    mp.spawn(_process, (str(folder),), nprocs=2)
    return [torch.load(folder / f'{rank}.pth') for rank in (0, 1)]


@pytest.mark.slow
@pytest.mark.parametrize('variant', [0, 1, 2], ids=['with rpn', 'without rpn', 'detection only'])
def test_two_processes_train(processes, variant):
    """DDP finds every gradient; both processes log and hold the same numbers."""
    (steps, state), (other_steps, other_state) = (trained[variant] for trained, _ in processes)
    for (values, _), (other_values, _) in zip(steps, other_steps, strict=True):
        assert values == pytest.approx(other_values)
        assert all(np.isfinite(value) for value in values.values())
    for name, value in state.items():
        assert value.equal(other_state[name]), name
    if variant < 2:
        assert all(values['loss_mi'] != 0 for values, _ in steps)
        first, second, features, fourth = (weights[0] for _, weights in steps)
        assert not second.equal(first)
        assert features.equal(second)
        assert not fourth.equal(features)


@pytest.mark.slow
def test_mutual_losses_of_two_processes_are_those_of_one(processes):
    values, *gradients = _mutual_gradients(slice(0, 7))
    parts = [compared for _, compared in processes]
    for other_values, *_ in parts:
        assert other_values == pytest.approx(values, rel=1e-5)
    for branch, expected in enumerate(gradients, start=1):
        # Each process computes the whole loss; DDP then takes the mean over the processes.
        got = torch.cat([part[branch] for part in parts]) / 2
        torch.testing.assert_close(got, expected)
