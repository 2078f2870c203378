import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import roi_align

from ..detectors.tiny_models import HEIGHT, WIDTH, tiny_meta, tiny_model

NAMES = ['loss_cls', 'loss_bbox', 'loss_oim']


@pytest.fixture
def head():
    model = tiny_model('nae')
    for module in model.roi_head.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.roi_head


@pytest.fixture
def c4():
    torch.manual_seed(1)
    return (torch.randn(2, 32, HEIGHT // 16, WIDTH // 16).relu(),)


BOXES = [
    torch.tensor([[8.0, 8, 40, 90], [60.5, 10.25, 100, 80]]),
    torch.tensor([[0.0, 0, 128, 96]]),
]


def test_roi_features_are_those_of_torchvision(head, c4):
    rois = torch.cat([F.pad(b, (1, 0), value=float(i)) for i, b in enumerate(BOXES)])
    ours = head.bbox_roi_extractor(c4, rois)
    theirs = roi_align(c4[0], rois, 8, spatial_scale=1 / 16, sampling_ratio=-1, aligned=True)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_embeddings_from_torchvisions_roi_features(head, c4):
    """C4 and res5, max-pooled, projected, concatenated in this order, normalised."""
    head.eval()
    got = head.box_embeddings(c4, BOXES)
    parts = head.bbox_head.embedding_head.projectors
    for image, boxes in enumerate(BOXES):
        low = roi_align(c4[0][image : image + 1], [boxes], 8, spatial_scale=1 / 16, aligned=True)
        high = head.shared_head(low)
        pooled = [F.adaptive_max_pool2d(maps, 1).flatten(1) for maps in (low, high)]
        vectors = torch.cat([part(p) for part, p in zip(parts, pooled, strict=True)], dim=1)
        torch.testing.assert_close(got[image], F.normalize(vectors), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('training', [True, False])
def test_no_boxes(head, c4, training):
    head.train(training)
    embeddings = head.box_embeddings(c4, [torch.zeros(0, 4), torch.zeros(0, 5)])
    assert [e.shape for e in embeddings] == [(0, 16), (0, 16)]


def step(head, c4, boxes, pids, proposals=None):
    """One training step: losses, people, and gradients of the sum."""
    head.train()
    head.zero_grad()
    n = len(boxes)
    losses, people = head.losses_and_people(
        (c4[0][:n],),
        [tiny_meta()] * n,
        proposals or [torch.zeros(0, 5)] * n,
        boxes,
        [torch.zeros(len(b), dtype=torch.long) for b in boxes],
        gt_pids=pids,
    )
    sum(losses.values()).backward()
    assert list(losses) == NAMES
    assert all(loss.isfinite() for loss in losses.values())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())
    return losses, people


def test_people_are_positive_rois_with_their_pids(head, c4):
    """Proposals on the second person of image 0 and beside anyone; ground truth joins."""
    near = torch.tensor([[61.0, 11, 99, 79, 0.9], [0, 0, 20, 4, 0.8]])
    losses, (feats, pids, _) = step(
        head, c4, BOXES, [torch.tensor([3, -1]), torch.tensor([5])], [near, torch.zeros(0, 5)]
    )
    assert sorted(pids[:3].tolist()) == [-1, -1, 3]
    assert pids[3:].tolist() == [5]
    torch.testing.assert_close(feats.norm(dim=1), torch.ones(4))
    assert losses['loss_oim'] > 0
    memory = head.bbox_head.loss_reid.oim.memory
    assert memory.touched.nonzero().flatten().tolist() == [3, 5]
    row_of_5 = feats[3].detach()
    torch.testing.assert_close(memory.table[5], row_of_5)


def test_one_roi(head, c4):
    step(head, c4, BOXES[1:], [torch.tensor([5])])


def test_nobody_labelled(head, c4):
    losses, _ = step(head, c4, BOXES, [torch.tensor([-1, -1]), torch.tensor([-1])])
    assert losses['loss_oim'].item() == 0


def test_no_roi_at_all(head, c4):
    """No proposal, no person: zeros, with a gradient for every parameter."""
    losses, (feats, pids, _) = step(
        head, c4, [torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.long)]
    )
    assert [loss.item() for loss in losses.values()] == [0, 0, 0]
    assert all(p.grad.eq(0).all() for p in head.parameters())
    assert feats.shape == (0, 16)
    assert pids.shape == (0,)


def test_placeholder_of_a_half_map_is_float32(head, c4):
    """Under fp16 the extractor casts a half map to float32, and takes RoIs as they are."""
    targets = [torch.zeros(0, dtype=torch.long), torch.zeros(0), *torch.zeros(2, 0, 4)]
    rois, (labels, label_weights, *_) = head._placeholder(c4[0].half(), *targets)
    assert rois.dtype == torch.float32
    assert rois.tolist() == [[0, 0, 0, WIDTH, HEIGHT]]
    assert labels.tolist() == [1] and label_weights.tolist() == [0]
    head.bbox_roi_extractor.fp16_enabled = True
    got = head.bbox_roi_extractor((c4[0].half(),), rois)
    whole = roi_align(c4[0][:1], [rois[:, 1:]], 8, spatial_scale=1 / 16, aligned=True)
    torch.testing.assert_close(got.float(), whole, atol=1e-2, rtol=1e-2)
