import math

import pytest
import torch
import torch.nn.functional as F
from mmcv import ConfigDict

from mmdet_ps.models.roi_heads import PixelWiseNAEBBoxHead
from mmdet_ps.models.roi_heads.nae_bbox_head import cell_coverage


def make():
    torch.manual_seed(0)
    head = PixelWiseNAEBBoxHead(
        dict(type='TOIMLoss', oim=dict(num_pids=3, queue_size=2, feat_channels=4)),
        in_channels=6,
        c4_channels=5,
        feat_channels=4,
        projector_std=None,
        bbox_coder=dict(
            type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2]
        ),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True),
        loss_bbox=dict(type='L1Loss'),
    )
    for module in head.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 1.5)
    return head


def area_by_counting(roi, person, side, fine=200):
    """Share of the points of a fine grid in each cell that lie in the person's box."""
    x1, y1, x2, y2 = roi
    shares = torch.zeros(side, side)
    steps = (torch.arange(fine * side) + 0.5) / (fine * side)
    inside_x = (x1 + steps * (x2 - x1) > person[0]) & (x1 + steps * (x2 - x1) < person[2])
    inside_y = (y1 + steps * (y2 - y1) > person[1]) & (y1 + steps * (y2 - y1) < person[3])
    for row in range(side):
        for column in range(side):
            part_y = inside_y[row * fine : (row + 1) * fine].float().mean()
            part_x = inside_x[column * fine : (column + 1) * fine].float().mean()
            shares[row, column] = part_y * part_x
    return shares


def test_cells_by_hand():
    """Two by two cells of 10 x 20: the person takes the right half of each cell on the right."""
    roi = torch.tensor([[0.0, 0.0, 20.0, 40.0]])
    covered = cell_coverage(roi, torch.tensor([[15.0, 10.0, 30.0, 50.0]]), 2)
    assert covered.tolist() == [[[0.0, 0.25], [0.0, 0.5]]]
    assert cell_coverage(roi, roi, 2).eq(1).all()
    assert cell_coverage(roi, roi + 100, 2).eq(0).all()
    # A RoI without area has no share of anything.
    assert cell_coverage(torch.zeros(1, 4), torch.tensor([[0.0, 0, 5, 5]]), 3).eq(0).all()


@pytest.mark.parametrize('side', [1, 4, 7])
def test_cells_are_shares_of_area(side):
    generator = torch.Generator().manual_seed(side)
    corner = torch.rand(6, 2, generator=generator) * 50
    rois = torch.cat([corner, corner + 5 + 60 * torch.rand(6, 2, generator=generator)], dim=1)
    people = rois + 20 * torch.randn(6, 4, generator=generator)
    people[:, 2:] = torch.maximum(people[:, 2:], people[:, :2] + 1)
    got = cell_coverage(rois, people, side)
    for roi, person, shares in zip(rois, people, got, strict=True):
        torch.testing.assert_close(shares, area_by_counting(roi, person, side), atol=0.02, rtol=0)


def test_equals_a_plain_form():
    """Cell by cell, RoI by RoI: project, average C4's cells in fours, split, weigh."""
    head = make().eval()
    c4, c5 = torch.randn(3, 5, 4, 4), torch.randn(3, 6, 2, 2)
    logits, deltas, embeddings = head(c4, c5)
    low, high = head.embedding_head.projectors
    rescale = head.embedding_head.rescaler
    for roi in range(3):
        units, scores = [], []
        for row in range(2):
            for column in range(2):
                four = [
                    low(c4[roi, :, 2 * row + i, 2 * column + j][None])
                    for i in (0, 1)
                    for j in (0, 1)
                ]
                vector = torch.cat([sum(four) / 4, high(c5[roi, :, row, column][None])], dim=1)
                logit = rescale(vector.norm()[None, None]).item()
                assert logits[roi, 2 * row + column].item() == pytest.approx(logit, abs=1e-5)
                units.append(vector[0] / vector.norm())
                scores.append(1 / (1 + math.exp(-logit)))
        mean = sum(s * u for s, u in zip(scores, units, strict=True)) / 4
        torch.testing.assert_close(embeddings[roi], mean / mean.norm())
        assert head.scores(logits)[roi].item() == pytest.approx(sum(scores) / 4, abs=1e-6)
        pooled = c5[roi].mean(dim=(1, 2))
        torch.testing.assert_close(deltas[roi], head.fc_reg(pooled[None])[0])


def test_losses_by_hand():
    """A RoI whose person covers its right half, one of background, one of weight 0."""
    head = make()
    logits = torch.tensor([[1.0, 2.0, -1.0, 0.5], [0.3, -0.2, 0.1, 0.0], [9.0] * 4])
    rois = torch.tensor([[0.0, 0, 0, 20, 40], [0, 5, 5, 9, 9], [0, 1, 1, 2, 2]])
    person = torch.tensor([[10.0, 0.0, 20.0, 40.0]])
    targets = torch.zeros(3, 4)
    targets[:1] = head.bbox_coder.encode(rois[:1, 1:], person)
    box_weights = torch.tensor([[1.0] * 4, [0.0] * 4, [0.0] * 4])
    deltas = targets.clone()
    deltas[0, 0] += 0.6
    losses = head.loss(
        logits,
        deltas,
        rois,
        torch.tensor([0, 1, 1]),
        torch.tensor([1.0, 1.0, 0.0]),
        targets,
        box_weights,
    )
    wanted = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.0] * 4])
    expected = F.binary_cross_entropy_with_logits(logits[:2], wanted)
    torch.testing.assert_close(losses['loss_cls'], expected)
    assert losses['loss_bbox'].item() == pytest.approx(0.6 / 3, rel=1e-5)


def test_each_roi_learns_the_cells_of_its_own_person():
    """Two people, background between them: the right half of one RoI, the lower of the other."""
    head = make()
    logits = torch.tensor([[1.0, 2.0, -1.0, 0.5], [0.3, -0.2, 0.1, 0.0], [0.7, -1.5, 2.5, 0.2]])
    rois = torch.tensor([[0.0, 0, 0, 20, 40], [0, 5, 5, 9, 9], [1, 50, 10, 70, 50]])
    people = torch.tensor([[10.0, 0.0, 20.0, 40.0], [50.0, 30.0, 70.0, 50.0]])
    labels = torch.tensor([0, 1, 0])
    targets = torch.zeros(3, 4)
    targets[labels == 0] = head.bbox_coder.encode(rois[labels == 0, 1:], people)
    weights = (labels == 0).float()[:, None].expand(3, 4)
    losses = head.loss(logits, targets, rois, labels, torch.ones(3), targets, weights)
    wanted = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.0] * 4, [0.0, 0.0, 1.0, 1.0]])
    expected = F.binary_cross_entropy_with_logits(logits, wanted)
    torch.testing.assert_close(losses['loss_cls'], expected)
    assert losses['loss_bbox'].item() == 0


def test_people_keep_their_embeddings_and_mean_scores():
    head = make().eval()
    rois = torch.tensor([[0.0, 0, 0, 10, 20], [0, 50, 10, 70, 60]])
    logits = torch.tensor([[0.0, 1.0], [2.0, 2.0]])
    embeddings = F.normalize(torch.randn(2, 4))
    cfg = ConfigDict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=3)
    dets, feats = head.get_bboxes(
        rois, head.scores(logits), torch.zeros(2, 4), embeddings, (64, 96, 3), cfg
    )
    torch.testing.assert_close(dets[:, 4], logits.sigmoid().mean(dim=1)[[1, 0]])
    assert feats.equal(embeddings[[1, 0]])


def test_no_rois():
    shapes = [out.shape for out in make()(torch.zeros(0, 5, 4, 4), torch.zeros(0, 6, 2, 2))]
    assert shapes == [(0, 4), (0, 4), (0, 4)]
