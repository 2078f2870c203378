import pytest
import torch
from mmdet.core import bbox2roi
from torchvision.ops import nms

from ..detectors.tiny_models import HEIGHT, WIDTH, tiny_meta, tiny_model

BOXES = [
    torch.tensor([[8.0, 8, 40, 90], [60.5, 10.25, 100, 80]]),
    torch.tensor([[0.0, 0, 127, 95]]),
]
PIDS = [torch.tensor([3, -1]), torch.tensor([5])]
NAMES = ['first_loss_cls', 'first_loss_bbox', 'loss_cls', 'loss_bbox', 'loss_oim']


@pytest.fixture
def head():
    head = tiny_model('seqnet').roi_head
    # Boxes that move: what the heads start with leaves them where they are.
    torch.nn.init.normal_(head.first.bbox_head.fc_reg.weight, std=0.3)
    torch.nn.init.constant_(head.bbox_head.fc_reg[1].weight, 1.0)
    return head


@pytest.fixture
def c4():
    torch.manual_seed(1)
    return (torch.randn(2, 32, HEIGHT // 16, WIDTH // 16).relu(),)


def train(head, c4, boxes=BOXES, pids=PIDS, proposals=None):
    head.train()
    n = len(boxes)
    labels = [torch.zeros(len(b), dtype=torch.long) for b in boxes]
    if proposals is None:
        proposals = [torch.zeros(0, 5)] * n
    return head.losses_and_people(
        (c4[0][:n],), [tiny_meta()] * n, proposals, boxes, labels, gt_pids=pids
    )


def test_the_second_stage_is_given_the_boxes_of_the_first(head, c4, monkeypatch):
    """What the second head assigns: decoded RoI by RoI, clipped to the picture."""
    seen, first = [], []
    assign, forward = head.bbox_assigner.assign, head.first._bbox_forward

    def watch_assign(boxes, *args):
        seen.append(boxes)
        return assign(boxes, *args)

    def watch_forward(x, rois):
        first.append((rois, forward(x, rois)))
        return first[-1][1]

    monkeypatch.setattr(head.bbox_assigner, 'assign', watch_assign)
    monkeypatch.setattr(head.first, '_bbox_forward', watch_forward)
    losses, (_, pids, _) = train(head, c4)
    assert list(losses) == NAMES
    ((rois, outs),) = first
    assert len(rois) == 3  # ground truth alone, since nothing was proposed
    moved = torch.cat(seen)
    assert not moved.requires_grad
    for roi, delta, box in zip(rois[:, 1:], outs['bbox_pred'], moved, strict=True):
        dx, dy, dw, dh = (delta.detach() * torch.tensor([0.1, 0.1, 0.2, 0.2])).tolist()
        x1, y1, x2, y2 = roi.tolist()
        w, h = x2 - x1, y2 - y1
        x, y = (x1 + x2) / 2 + dx * w, (y1 + y2) / 2 + dy * h
        w, h = w * torch.tensor(dw).exp().item(), h * torch.tensor(dh).exp().item()
        plain = torch.tensor([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
        plain[0::2].clamp_(0, WIDTH)
        plain[1::2].clamp_(0, HEIGHT)
        torch.testing.assert_close(box, plain, atol=1e-3, rtol=1e-4)
        assert (box - roi).abs().max() > 0.5
    assert {3, 5} <= set(pids.tolist())


def test_no_gradient_of_the_second_reaches_the_first(head, c4):
    losses, _ = train(head, c4)
    own = [p for name, p in head.named_parameters() if name.startswith('first.')]
    later = sum(losses[name] for name in NAMES[2:])
    grads = torch.autograd.grad(later, own, retain_graph=True, allow_unused=True)
    assert all(grad is None for grad in grads)
    earlier = losses['first_loss_cls'] + losses['first_loss_bbox']
    others = [p for name, p in head.named_parameters() if not name.startswith('first.')]
    grads = torch.autograd.grad(earlier, others, allow_unused=True)
    assert all(grad is None for grad in grads)


@pytest.mark.parametrize(
    ('boxes', 'pids'),
    [
        (BOXES, PIDS),
        (BOXES, [torch.tensor([-1, -1]), torch.tensor([-1])]),
        ([torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.long)]),
    ],
)
def test_every_parameter_learns_from_finite_losses(head, c4, boxes, pids):
    losses, _ = train(head, c4, boxes, pids)
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())
    if not len(boxes[0]):
        assert all(loss.item() == 0 for loss in losses.values())


@pytest.mark.parametrize('overlap', [0.5, 0.1])
def test_a_test_keeps_the_first_heads_people_and_scores(head, c4, overlap):
    """Plain form: threshold and suppression of the first, boxes and features of the second."""
    assert head.test_cfg.nms.iou_threshold == 0.5
    head.test_cfg.nms.iou_threshold = overlap
    head.eval()
    assert head.first.test_cfg.nms.iou_threshold == 0.4
    head.first.test_cfg.score_thr = 0.05
    head.test_cfg.score_thr = 0.05
    torch.manual_seed(3)
    corner = torch.rand(12, 2) * torch.tensor([80.0, 50.0])
    proposals = torch.cat([corner, corner + 10 + 35 * torch.rand(12, 2)], dim=1)
    with torch.no_grad():
        (dets, feats), (nothing, none) = head.simple_test(
            c4, [proposals, torch.zeros(0, 4)], [tiny_meta()] * 2
        )
        first = head.first._bbox_forward(c4, bbox2roi([proposals]))
        scores = first['cls_score'].softmax(dim=1)[:, 0]
        moved = head.first.bbox_head.bbox_coder.decode(
            proposals, first['bbox_pred'], max_shape=(HEIGHT, WIDTH)
        )
        kept = nms(moved, scores, 0.4)
        kept = kept[scores[kept] > 0.05]
        second = head._bbox_forward(c4, bbox2roi([moved[kept]]))
        boxes = head.bbox_head.bbox_coder.decode(
            moved[kept], second['bbox_pred'], max_shape=(HEIGHT, WIDTH)
        )
        last = nms(boxes, scores[kept], overlap)
        by_first = nms(boxes, scores[kept], 0.4)
    assert len(last) > 1
    # At 0.1 the first head's own threshold would keep more.
    assert overlap == 0.5 or len(last) < len(by_first)
    torch.testing.assert_close(dets[:, :4], boxes[last], atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(dets[:, 4], scores[kept][last])
    torch.testing.assert_close(feats, second['embeddings'][last], atol=1e-4, rtol=1e-4)
    assert nothing.shape == (0, 5) and none.shape == (0, 16)


def test_given_boxes_are_described_by_the_second_head(head, c4):
    head.eval()
    with torch.no_grad():
        got = torch.cat(head.box_embeddings(c4, BOXES))
        second = head._bbox_forward(c4, bbox2roi(BOXES))['embeddings']
    assert got.equal(second)
