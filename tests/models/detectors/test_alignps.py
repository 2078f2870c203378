from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.models import build_detector

from mmdet_ps.apis import load_config

CONFIGS = Path(__file__).parents[3] / 'configs'


def tiny_model(**head):
    """The small model of the drawn scenes, smaller still, seeded."""
    cfg = load_config(CONFIGS / 'synthetic/alignps_tiny.py')
    cfg.model.backbone.base_channels = 8
    cfg.model.neck.update(in_channels=[16, 32, 64], out_channels=16)
    cfg.model.bbox_head.update(in_channels=16, feat_channels=16, **head)
    cfg.model.bbox_head.loss_reid.oim.update(feat_channels=16, num_pids=9, queue_size=5)
    torch.manual_seed(0)
    model = build_detector(cfg.model)
    # Every point a candidate, with scores apart.
    torch.nn.init.normal_(model.bbox_head.conv_cls.weight, std=0.3)
    torch.nn.init.zeros_(model.bbox_head.conv_cls.bias)
    torch.nn.init.constant_(model.bbox_head.conv_reg.bias, 3.0)
    return model


def batch(n=2, height=96, width=128):
    generator = torch.Generator().manual_seed(1)
    img = torch.randn(n, 3, height, width, generator=generator)
    metas = [
        dict(
            img_shape=(height, width, 3),
            scale_factor=np.array([0.5, 0.25, 0.5, 0.25], np.float32),
            filename=f'{i}.jpg',
        )
        for i in range(n)
    ]
    return img, metas


def people():
    return dict(
        gt_bboxes=[torch.tensor([[8.0, 8, 40, 90], [60, 10, 100, 80]]), torch.zeros(0, 4)],
        gt_labels=[torch.zeros(2, dtype=torch.long), torch.zeros(0, dtype=torch.long)],
        gt_pids=[torch.tensor([4, -1]), torch.zeros(0, dtype=torch.long)],
    )


def run(model, img, metas, **given):
    with torch.no_grad():
        return model(return_loss=False, rescale=True, img=[img], img_metas=[metas], **given)


def test_result_contract():
    model = tiny_model().eval()
    img, metas = batch()
    results = run(model, img, metas)
    assert len(results) == 2
    for result in results:
        assert set(result) == {'bboxes', 'feats'}
        assert result['bboxes'].dtype == result['feats']['alignps'].dtype == np.float32
        n = len(result['bboxes'])
        assert n > 0 and result['bboxes'].shape == (n, 5)
        assert result['feats']['alignps'].shape == (n, 16)
        np.testing.assert_allclose(np.linalg.norm(result['feats']['alignps'], axis=1), 1, atol=1e-5)
        assert (np.diff(result['bboxes'][:, 4]) <= 0).all()
        # Pixels of the original picture, 256 wide and 384 high.
        assert result['bboxes'][:, 0:4:2].max() <= 256 < 300
        assert 96 < result['bboxes'][:, 1:4:2].max() <= 384


def test_rescale_divides_by_the_scale_factor():
    model = tiny_model().eval()
    img, metas = batch(1)
    with torch.no_grad():
        (own,) = model(return_loss=False, rescale=False, img=[img], img_metas=[metas])
    (original,) = run(model, img, metas)
    np.testing.assert_allclose(
        original['bboxes'][:, :4] * metas[0]['scale_factor'], own['bboxes'][:, :4], rtol=1e-5
    )


def test_batch_of_two_is_two_batches_of_one():
    model = tiny_model().eval()
    img, metas = batch()
    together = run(model, img, metas)
    for i in range(2):
        (alone,) = run(model, img[i : i + 1], metas[i : i + 1])
        np.testing.assert_allclose(together[i]['bboxes'], alone['bboxes'], atol=1e-3)
        np.testing.assert_allclose(
            together[i]['feats']['alignps'], alone['feats']['alignps'], atol=1e-4
        )


def test_given_boxes():
    model = tiny_model().eval()
    img, metas = batch()
    boxes = [torch.tensor([[8.0, 8, 40, 90], [60, 10, 100, 80]]), torch.zeros(0, 4)]
    described = run(model, img, metas, gt_bboxes=[boxes])
    assert described[0]['bboxes'][:, 4].tolist() == [1, 1]
    np.testing.assert_allclose(described[0]['bboxes'][0, :4], [16, 32, 80, 360])
    assert described[1]['bboxes'].shape == (0, 5)
    assert described[1]['feats']['alignps'].shape == (0, 16)
    beside = run(model, img, metas, query_bboxes=[boxes])
    plain = run(model, img, metas)
    for one, other, alone in zip(beside, described, plain, strict=True):
        np.testing.assert_array_equal(one['query_feats']['alignps'], other['feats']['alignps'])
        np.testing.assert_array_equal(one['query_boxes'], other['bboxes'][:, :4])
        np.testing.assert_array_equal(one['bboxes'], alone['bboxes'])


def test_picture_without_detections():
    model = tiny_model().eval()
    torch.nn.init.constant_(model.bbox_head.conv_cls.bias, -60.0)
    for result in run(model, *batch()):
        assert result['bboxes'].shape == (0, 5)
        assert result['feats']['alignps'].shape == (0, 16)


def test_training_step_reaches_every_parameter():
    model = tiny_model().train()
    img, metas = batch()
    for _ in range(2):  # the first fills the table
        losses = model(img=img, img_metas=metas, return_loss=True, **people())
    assert list(losses) == ['loss_cls', 'loss_bbox', 'loss_centerness', 'loss_oim', 'loss_tri']
    loss, _ = model._parse_losses(losses)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    memory = model.bbox_head.loss_reid.oim.memory
    assert memory.touched.nonzero().flatten().tolist() == [4]
    assert memory.pointer > 0


def test_pids_are_needed_where_identities_are_learned():
    given = {key: value for key, value in people().items() if key != 'gt_pids'}
    img, metas = batch()
    with pytest.raises(KeyError, match="name 'gt_pids' in the keys of Collect"):
        tiny_model().train()(img=img, img_metas=metas, return_loss=True, **given)
    model = tiny_model()
    model.bbox_head.loss_reid = None
    losses = model.train()(img=img, img_metas=metas, return_loss=True, **given)
    assert list(losses) == ['loss_cls', 'loss_bbox', 'loss_centerness']


def test_loss_falls():
    model = tiny_model().train()
    img, metas = batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    values = []
    for _ in range(8):
        loss, _ = model._parse_losses(model(img=img, img_metas=metas, return_loss=True, **people()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.7 * values[0]


@pytest.mark.gpu
def test_cuda_equals_cpu():
    img, metas = batch()
    cpu, cuda = tiny_model().eval(), tiny_model().eval().cuda()
    for ours, theirs in zip(run(cuda, img.cuda(), metas), run(cpu, img, metas), strict=True):
        np.testing.assert_allclose(ours['bboxes'], theirs['bboxes'], atol=0.05)
        np.testing.assert_allclose(ours['feats']['alignps'], theirs['feats']['alignps'], atol=1e-3)


@pytest.mark.gpu
def test_cuda_training_step_equals_cpu():
    img, metas = batch()
    steps = []
    for device in ('cpu', 'cuda'):
        model = tiny_model().train().to(device)
        given = {key: [v.to(device) for v in values] for key, values in people().items()}
        losses = model(img=img.to(device), img_metas=metas, return_loss=True, **given)
        loss, _ = model._parse_losses(losses)
        loss.backward()
        grads = {name: p.grad.cpu() for name, p in model.named_parameters()}
        steps.append((loss.item(), grads, model.bbox_head.loss_reid.oim.memory.table.cpu()))
    (loss, grads, table), (cuda_loss, cuda_grads, cuda_table) = steps
    assert cuda_loss == pytest.approx(loss, rel=1e-3)
    torch.testing.assert_close(cuda_table, table, atol=1e-3, rtol=0)
    for name, grad in grads.items():
        scale = grad.abs().max().item() + 1e-6
        torch.testing.assert_close(cuda_grads[name], grad, atol=2e-2 * scale, rtol=0), name
