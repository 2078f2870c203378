"""Two processes with two pictures each are one process with four."""

import pytest
import torch
from mmcv import ConfigDict
from mmcv.runner import build_optimizer
from mmdet.models import build_detector
from torch import nn

from mmdet_ps.core.dist import mean_over_processes
from mmdet_ps.core.parallel import wrap_model
from mmdet_ps.models.losses import (
    DiversityLoss,
    KLMutualLoss,
    MutualInformationLoss,
    TOIMLoss,
)
from mmdet_ps.models.losses.identity_means import common_identity_means

from .processes import gathered

pytestmark = pytest.mark.slow
STEPS = 20
NUM_PIDS = 5
GN = dict(type='GN', num_groups=2)


def alignps(mining='all'):
    """A small model in which rounding stays rounding.

    With group norm, since the statistics of batch norm are those of a process's own pictures, and
    without deformable layers, whose gradient jumps where an offset passes a whole pixel.
    """
    return dict(
        type='AlignPS',
        backbone=dict(type='ResNet', depth=18, base_channels=4, out_indices=(1, 2, 3), norm_cfg=GN),
        neck=dict(
            type='AFA',
            in_channels=[8, 16, 32],
            out_channels=8,
            lateral='conv3x3',
            output='conv3x3',
            out_levels=[3],
        ),
        bbox_head=dict(
            type='FCOSReIDHead',
            num_classes=1,
            in_channels=8,
            feat_channels=8,
            stacked_convs=1,
            strides=[8],
            regress_ranges=((-1, 1e8),),
            norm_cfg=GN,
            norm_on_bbox=True,
            loss_reid=dict(
                type='TOIMLoss',
                oim=dict(num_pids=NUM_PIDS, queue_size=7, feat_channels=8),
                triplet=dict(mining=mining),
            ),
        ),
        train_cfg=ConfigDict(),
        test_cfg=ConfigDict(),
    )


def pictures(step):
    """Four pictures; over the steps a process has nobody, nobody with identity, one more person."""
    generator = torch.Generator().manual_seed(step)
    crowds = [[2, 1, 3, 1], [0, 0, 2, 2], [3, 0, 1, 0], [1, 2, 0, 0], [2, 2, 2, 2]][step % 5]
    boxes, pids = [], []
    for count in crowds:
        corner = torch.rand(count, 2, generator=generator) * 30
        size = torch.rand(count, 2, generator=generator) * 15 + 16
        boxes.append(torch.cat((corner, corner + size), dim=1).double())
        pids.append(torch.randint(-1, NUM_PIDS, (count,), generator=generator))
    if step % 5 == 4:
        for nobody in (pids[:2], pids[2:], pids)[step // 5 % 3]:
            nobody.fill_(-1)
    return torch.randn(4, 3, 64, 64, generator=generator).double(), boxes, pids


def train(part, distributed, mining):
    """Losses, gradients, memory and weights of ``STEPS`` steps on the pictures in ``part``."""
    torch.manual_seed(0)
    # In double precision, so that 20 steps do not multiply the rounding of another order of sums.
    # Code that insists on float32 is overruled; this process has nothing else to do.
    torch.Tensor.float = torch.Tensor.double
    model = wrap_model(build_detector(ConfigDict(alignps(mining))).train().double(), distributed)
    memory = model.module.bbox_head.loss_reid.oim.memory
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    trace = []
    for step in range(STEPS):
        img, boxes, pids = pictures(step)
        boxes, pids = boxes[part], pids[part]
        img = img[part]
        data = dict(
            img=img,
            img_metas=[dict(img_shape=(64, 64, 3))] * len(img),
            gt_bboxes=boxes,
            gt_labels=[torch.zeros(len(box), dtype=torch.long) for box in boxes],
            gt_pids=pids,
        )
        outputs = model.train_step(data, optimizer)
        optimizer.zero_grad()
        outputs['loss'].backward()
        trace.append(
            dict(
                losses=outputs['log_vars'],
                grads=[parameter.grad.clone() for parameter in model.parameters()],
                memory={name: value.clone() for name, value in memory.state_dict().items()},
            )
        )
        nn.utils.clip_grad_norm_(model.parameters(), 10)
        optimizer.step()
    return trace


def train_on_rank(mining):
    torch.distributed.init_process_group('gloo')
    rank = torch.distributed.get_rank()
    return train(slice(2 * rank, 2 * rank + 2), True, mining)


@pytest.mark.parametrize('mining', ['all', 'hard'])
def test_same_as_one(tmp_path, mining):
    (one,) = gathered(tmp_path / 'one', 1, train, slice(0, 4), False, mining)
    two = gathered(tmp_path / 'two', 2, train_on_rank, mining)
    for step in range(STEPS):
        for rank in range(2):
            torch.testing.assert_close(two[rank][step], one[step], rtol=1e-5, atol=1e-5)
        # Both hold one memory to the last bit: a checkpoint may come from either.
        for name, value in two[0][step]['memory'].items():
            assert torch.equal(value, two[1][step]['memory'][name]), (step, name)
    assert one[-1]['memory']['pointer'] != one[0]['memory']['pointer']
    assert any(step['losses']['loss_tri'] > 0 for step in one)


def test_pictures_hold_the_hard_cases():
    """What the comparison is about is in its data."""
    crowds = [[len(box) for box in pictures(step)[1]] for step in range(STEPS)]
    assert any(sum(c[:2]) == 0 and sum(c[2:]) for c in crowds)
    assert any(sum(c[:2]) != sum(c[2:]) for c in crowds)
    labelled = [[int((pids >= 0).sum()) for pids in pictures(step)[2]] for step in range(STEPS)]
    half = [(sum(n[:2]), sum(n[2:]), sum(c)) for n, c in zip(labelled, crowds, strict=True)]
    assert any(a == 0 and b for a, b, _ in half)
    assert any(a == b == 0 and people for a, b, people in half)


class Branches(nn.Module):
    """Two branches as those of ROI-AlignPS, with every loss that they share."""

    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList(nn.Linear(5, 6) for _ in range(2))
        oim = dict(num_pids=NUM_PIDS, queue_size=4, feat_channels=6)
        self.reid = nn.ModuleList(TOIMLoss(oim) for _ in range(2))
        self.mutual = nn.ModuleList(
            [
                MutualInformationLoss(feat_channels=(6, 6)),
                KLMutualLoss(direction='both'),
                DiversityLoss(),
            ]
        )

    def forward(self, people, pids):
        both = [
            reid.losses_and_people(branch(people), pids)
            for branch, reid in zip(self.branches, self.reid, strict=True)
        ]
        losses, seen = zip(*both, strict=True)
        means, known = common_identity_means(*seen), [one.prototypes for one in seen]
        between = [loss(*means, known) for loss in self.mutual]
        return torch.stack([one['loss_oim'] for one in losses] + between)


def train_branches(distributed):
    """Losses, gradients and buffers of nine steps, three of them MINE's for the features."""
    torch.manual_seed(0)
    model = module = Branches()
    part = slice(None)
    if distributed:
        torch.distributed.init_process_group('gloo')
        rank = torch.distributed.get_rank()
        model = nn.parallel.DistributedDataParallel(module, broadcast_buffers=False)
    sgd = dict(type='SGD', constructor='TurnsOptimizerConstructor', lr=0.05, momentum=0.9)
    optimizer = build_optimizer(module, sgd)
    trace = []
    for step in range(9):
        generator = torch.Generator().manual_seed(step)
        people = torch.randn(8, 5, generator=generator)
        pids = torch.randint(-1, NUM_PIDS, (8,), generator=generator)
        split = [3, 0, 5, 8][step % 4]
        if step == 4:
            pids[:split] = -1
        if distributed:
            part = slice(0, split) if rank == 0 else slice(split, None)
        losses = model(people[part], pids[part])
        optimizer.zero_grad()
        losses.sum().backward()
        trace.append(
            dict(
                losses=mean_over_processes(losses.detach()),
                grads=[parameter.grad.clone() for parameter in module.parameters()],
                buffers=[buffer.clone() for buffer in module.buffers()],
            )
        )
        optimizer.step()
    return trace


def test_losses_between_branches(tmp_path):
    """Mutual information with its turns, KL, diversity: each is that of the whole batch."""
    (one,) = gathered(tmp_path / 'one', 1, train_branches, False)
    two = gathered(tmp_path / 'two', 2, train_branches, True)
    torch.testing.assert_close(two[0], one, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(two[1], one, rtol=1e-5, atol=1e-5)
    assert all(step['losses'][2] != 0 for step in one)
