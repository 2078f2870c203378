import numpy as np
import pytest
import torch

from .tiny_models import find, tiny_batch, tiny_model

NAMES = ['loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox', 'loss_oim']


@pytest.fixture(params=['nae', 'nae_plus', 'oim', 'seqnet'])
def model(request):
    return tiny_model(request.param)


@pytest.mark.parametrize('pids', [((3, -1), (5, 3)), ((-1,), (-1,)), ((3,), ()), ((), ())], ids=str)
def test_losses_and_gradients(model, pids):
    losses = model.train()(**tiny_batch(pids))
    first = ['first_loss_cls', 'first_loss_bbox'] if hasattr(model.roi_head, 'first') else []
    assert list(losses) == NAMES[:2] + first + NAMES[2:]
    loss, _ = model._parse_losses(losses)
    assert loss.isfinite()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_batch_gives_each_pictures_result(model):
    img = tiny_batch()['img']
    together = find(model, img)
    for image, expected in zip(img, together, strict=True):
        (alone,) = find(model, image[None])
        assert len(expected['bboxes']) > 0
        np.testing.assert_allclose(alone['bboxes'], expected['bboxes'], atol=1e-3)
        np.testing.assert_allclose(
            alone['feats']['roi_align'], expected['feats']['roi_align'], atol=1e-4
        )


def test_result(model):
    (result,) = find(model, tiny_batch()['img'][:1])
    boxes, feats = result['bboxes'], result['feats']
    assert boxes.dtype == np.float32
    assert list(feats) == ['roi_align']
    assert feats['roi_align'].shape == (len(boxes), 16)
    assert (np.diff(boxes[:, 4]) <= 0).all()
    # Pixels of the original picture, which is 1.25 times smaller.
    assert boxes[:, 2].max() <= 128 / 1.25 + 1e-3
    np.testing.assert_allclose(np.linalg.norm(feats['roi_align'], axis=1), 1, atol=1e-5)


def test_given_boxes(model):
    batch = tiny_batch()
    boxes = batch['gt_bboxes'][0].clone()
    queries = [batch['gt_bboxes'][0], torch.zeros(0, 4)]
    with_queries = find(model, batch['img'], query_bboxes=[queries])
    given = find(model, batch['img'], gt_bboxes=[batch['gt_bboxes']])
    assert batch['gt_bboxes'][0].equal(boxes)
    np.testing.assert_allclose(given[0]['bboxes'][:, :4] * 1.25, boxes, rtol=1e-5)
    assert (given[0]['bboxes'][:, 4] == 1).all()
    np.testing.assert_allclose(
        with_queries[0]['query_feats']['roi_align'], given[0]['feats']['roi_align'], atol=1e-5
    )
    assert with_queries[1]['query_feats']['roi_align'].shape == (0, 16)
