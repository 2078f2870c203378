import pytest
import torch
import torch.nn.functional as F
from mmcv import ConfigDict
from mmdet.models.dense_heads import FCOSHead

from mmdet_ps.models.dense_heads import FCOSReIDHead

LOSS = dict(
    type='TOIMLoss', oim=dict(num_pids=9, queue_size=4, feat_channels=8), triplet=dict(mining='all')
)
TEST_CFG = ConfigDict(
    nms_pre=1000, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100
)
COMMON = dict(
    num_classes=1,
    in_channels=8,
    feat_channels=8,
    stacked_convs=2,
    strides=[8],
    regress_ranges=((-1, 1e8),),
    norm_cfg=dict(type='GN', num_groups=2),
    norm_on_bbox=True,
    centerness_on_reg=True,
    center_sampling=True,
    loss_bbox=dict(type='GIoULoss'),
    test_cfg=TEST_CFG,
)


def make(kind=FCOSReIDHead, **kwargs):
    torch.manual_seed(3)
    head = kind(**(COMMON | kwargs))
    head.init_weights()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.2) if parameter.dim() > 1 else None
    return head


def scene(n=2, height=12, width=16):
    torch.manual_seed(0)
    maps = (torch.randn(n, 8, height, width),)
    boxes = [torch.tensor([[8.0, 8, 40, 90], [60, 10, 100, 80]]), torch.tensor([[20.0, 4, 70, 88]])]
    labels = [torch.zeros(len(b), dtype=torch.long) for b in boxes]
    metas = [dict(img_shape=(height * 8, width * 8, 3), scale_factor=1.0)] * n
    return maps, metas, boxes[:n], labels[:n]


@pytest.mark.parametrize('centerness_on_reg', [True, False])
@pytest.mark.parametrize('norm_on_bbox', [True, False])
def test_detection_losses_are_those_of_fcos(centerness_on_reg, norm_on_bbox):
    """Without the re-id loss, bit for bit."""
    args = dict(centerness_on_reg=centerness_on_reg, norm_on_bbox=norm_on_bbox)
    ours, theirs = make(subtract_mean=False, **args), make(FCOSHead, **args)
    theirs.load_state_dict(ours.state_dict())
    maps, metas, boxes, labels = scene()
    losses = ours.forward_train(maps, metas, boxes, labels)
    expected = theirs.forward_train(maps, metas, boxes, labels)
    assert list(losses) == list(expected)
    for name, value in losses.items():
        assert torch.equal(value, expected[name]), name
    ours.eval(), theirs.eval()
    for mine, other in zip(ours(maps)[:3], theirs(maps), strict=True):
        assert torch.equal(mine[0], other[0])


def test_subtracting_the_mean():
    head, plain = make(), make(subtract_mean=False)
    (x,) = scene()[0]
    with torch.no_grad():
        got = head((x,))
        expected = plain((x - x.mean(dim=(2, 3), keepdim=True),))
    for mine, other in zip(got, expected, strict=True):
        torch.testing.assert_close(mine[0], other[0])
    torch.testing.assert_close(got[3][0].mean(dim=(2, 3)), torch.zeros(2, 8), atol=1e-6, rtol=0)


def test_targets_by_hand():
    """Points within 1.5 strides of a box's centre and inside the box belong to it."""
    head = make(loss_reid=LOSS)
    reid = torch.arange(2 * 8 * 12 * 16, dtype=torch.float32).view(2, 8, 12, 16)
    _, _, boxes, _ = scene()
    pids = [torch.tensor([1, -1]), torch.tensor([7])]
    feats, found = head.positive_embeddings([reid], boxes, pids)
    expected_pids, expected_feats = [], []
    for image in range(2):
        for y in range(12):
            for x in range(16):
                px, py = 8 * x + 4, 8 * y + 4
                owners = []
                for (x1, y1, x2, y2), pid in zip(
                    boxes[image].tolist(), pids[image].tolist(), strict=True
                ):
                    near = max(abs(px - (x1 + x2) / 2), abs(py - (y1 + y2) / 2)) < 12
                    if near and x1 < px < x2 and y1 < py < y2:
                        owners.append(((x2 - x1) * (y2 - y1), pid))
                if owners:
                    expected_pids.append(min(owners)[1])
                    expected_feats.append(reid[image, :, y, x])
    assert found.tolist() == expected_pids
    assert set(expected_pids) == {1, -1, 7}
    assert torch.equal(feats, torch.stack(expected_feats))


def test_identity_one_is_not_background():
    """mmdet marks background with num_classes, which is a pid as well."""
    head = make(loss_reid=LOSS)
    maps, _, boxes, _ = scene()
    counts = [
        len(head.positive_embeddings(list(maps), boxes, [torch.tensor(p) for p in pids])[1])
        for pids in ([[0, 0], [0]], [[1, 1], [1]], [[-1, -1], [-1]])
    ]
    assert counts[0] == counts[1] == counts[2] > 0


def test_first_step_by_hand():
    """A head of zeros: losses of probability one half and an empty memory."""
    head = make(loss_reid=LOSS)
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    maps, metas, boxes, labels = scene()
    pids = [torch.tensor([0, -1]), torch.tensor([3])]
    losses = head.forward_train(maps, metas, boxes, labels, gt_pids=pids)
    positives = len(head.positive_embeddings(list(maps), boxes, pids)[1])
    points = 2 * 12 * 16
    # Focal loss at p = 1/2: alpha or 1 - alpha, times 1/4, times ln 2, over the positives.
    focal = (0.25 * positives + 0.75 * (points - positives)) * 0.25 * 0.6931472 / positives
    assert losses['loss_cls'].item() == pytest.approx(focal, rel=1e-5)
    assert losses['loss_centerness'].item() == pytest.approx(0.6931472, rel=1e-5)
    # OIM over 9 + 4 equally likely rows with the focal factor (1 - 1/13) ** 2.
    oim = (12 / 13) ** 2 * torch.log(torch.tensor(13.0)).item()
    assert losses['loss_oim'].item() == pytest.approx(oim, rel=1e-5)


@pytest.mark.parametrize('reid_from', ['neck', 'reg_tower', 'cls_tower', 'own_tower'])
def test_where_the_embedding_comes_from(reid_from):
    head = make(reid_from=reid_from, loss_reid=LOSS)
    maps, metas, boxes, labels = scene()
    maps = (maps[0].requires_grad_(),)
    pids = [torch.tensor([0, 1]), torch.tensor([3])]
    # The first step fills the table, without which no similarity depends on the embedding.
    head.forward_train(maps, metas, boxes, labels, gt_pids=pids)
    losses = head.forward_train(maps, metas, boxes, labels, gt_pids=pids)
    head.zero_grad()
    losses['loss_oim'].backward()
    moved = {
        name.split('.')[0]
        for name, p in head.named_parameters()
        if p.grad is not None and p.grad.abs().sum() > 0
    }
    expected = {
        'neck': set(),
        'reg_tower': {'reg_convs', 'conv_reid'},
        'cls_tower': {'cls_convs', 'conv_reid'},
        'own_tower': {'reid_convs', 'conv_reid'},
    }
    assert moved == expected[reid_from]


def test_unknown_source():
    with pytest.raises(ValueError, match="reid_from='tower'.*neck, reg_tower"):
        make(reid_from='tower')


@pytest.mark.parametrize('pids', [[[-1, -1], [-1]], [[], []]])
def test_nobody_with_identity(pids):
    head = make(loss_reid=LOSS)
    maps, metas, boxes, labels = scene()
    maps = (maps[0].requires_grad_(),)
    if not pids[0]:
        boxes, labels = [b[:0] for b in boxes], [v[:0] for v in labels]
    pids = [torch.tensor(p, dtype=torch.long) for p in pids]
    losses = head.forward_train(maps, metas, boxes, labels, gt_pids=pids)
    assert list(losses) == ['loss_cls', 'loss_bbox', 'loss_centerness', 'loss_oim', 'loss_tri']
    assert losses['loss_oim'] == 0 and losses['loss_tri'] == 0
    sum(losses.values()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_embeddings_follow_their_boxes():
    """Each kept box carries the embedding of the point that predicted it."""
    head = make().eval()
    torch.nn.init.zeros_(head.conv_cls.bias)
    maps, metas, _, _ = scene()
    with torch.no_grad():
        cls, reg, centerness, reid = head(maps)
        found = head.get_bboxes(cls, reg, centerness, reid, metas)
    for image, (dets, feats) in enumerate(found):
        assert len(dets) > 3
        assert (dets[:-1, 4] >= dets[1:, 4]).all()
        scores = cls[0][image].sigmoid() * centerness[0][image].sigmoid()
        for det, feat in zip(dets, feats, strict=True):
            (at,) = (scores[0] == det[4]).nonzero().tolist()
            left, top, right, bottom = reg[0][image][:, at[0], at[1]].tolist()
            x, y = 8 * at[1] + 4, 8 * at[0] + 4
            box = torch.tensor([x - left, y - top, x + right, y + bottom])
            box = box.clamp(min=0).minimum(torch.tensor([128.0, 96, 128, 96]))
            torch.testing.assert_close(det[:4], box)
            torch.testing.assert_close(feat, F.normalize(reid[0][image][:, at[0], at[1]], dim=0))


def test_nothing_found():
    head = make().eval()
    torch.nn.init.constant_(head.conv_cls.bias, -50.0)
    maps, metas, _, _ = scene()
    with torch.no_grad():
        for dets, feats in head.get_bboxes(*head(maps), metas):
            assert dets.shape == (0, 5) and feats.shape == (0, 8)


def test_embedding_of_a_given_box():
    """At a point it is the point's own; half-way between two, their mean; at the rim, the rim's."""
    head = make().eval()
    reid = torch.randn(1, 8, 12, 16)
    boxes = torch.tensor([[12.0, 28, 28, 44], [16, 28, 32, 44], [-8, -8, 0, 0]])
    (feats,) = head.box_embeddings([reid], [boxes])
    expected = torch.stack(
        (reid[0, :, 4, 2] + reid[0, :, 4, 2], reid[0, :, 4, 2] + reid[0, :, 4, 3], reid[0, :, 0, 0])
    )
    torch.testing.assert_close(feats, F.normalize(expected), atol=1e-5, rtol=1e-5)


def test_given_box_reads_its_level():
    head = make(strides=[8, 16], regress_ranges=((-1, 32), (32, 1e8))).eval()
    reid = [torch.ones(1, 8, 12, 16), -torch.ones(1, 8, 6, 8)]
    (feats,) = head.box_embeddings(reid, [torch.tensor([[0.0, 0, 20, 40], [0, 0, 50, 90]])])
    assert (feats[0] > 0).all() and (feats[1] < 0).all()
