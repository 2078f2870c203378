"""The small models of configs/synthetic, smaller still, on pictures of 96 x 128."""

from pathlib import Path

import numpy as np
import torch
from mmcv import Config
from mmdet.models import build_detector

import mmdet_ps.models  # noqa: F401

CONFIGS = Path(__file__).parents[3] / 'configs'
HEIGHT, WIDTH = 96, 128
MI = dict(type='MutualInformationLoss', hidden_channels=8)
MUTUAL = [MI, dict(type='KLMutualLoss'), dict(type='DiversityLoss')]

_BRANCH = {
    'backbone.base_channels': 8,
    'rpn_head.in_channels': 32,
    'rpn_head.feat_channels': 32,
    'roi_head.shared_head.base_channels': 8,
    'roi_head.bbox_roi_extractor.out_channels': 32,
    'roi_head.bbox_head.in_channels': 64,
    'roi_head.bbox_head.feat_channels': 16,
    'roi_head.bbox_head.loss_reid.oim.feat_channels': 16,
    'roi_head.bbox_head.loss_reid.oim.num_pids': 9,
    'roi_head.bbox_head.loss_reid.oim.queue_size': 4,
    'train_cfg.rcnn.sampler.num': 8,
}
_NAE = {'roi_head.bbox_head.c4_channels': 32}
_SEQNET = {
    'roi_head.first.shared_head.base_channels': 8,
    'roi_head.first.bbox_roi_extractor.out_channels': 32,
    'roi_head.first.bbox_head.in_channels': 64,
    # Untrained, a head is about half sure of anything.
    'test_cfg.rcnn.first.score_thr': 0.05,
    'test_cfg.rcnn.score_thr': 0.05,
}
_ALIGNPS = {
    'neck.in_channels': [16, 32, 64],
    'neck.out_channels': 16,
    'bbox_head.in_channels': 16,
    'bbox_head.feat_channels': 16,
    'bbox_head.norm_cfg.num_groups': 4,
    'bbox_head.loss_reid.oim.feat_channels': 16,
    'bbox_head.loss_reid.oim.num_pids': 9,
    'bbox_head.loss_reid.oim.queue_size': 4,
}


def tiny_model(name, seed=0, **options):
    """Build NAME of configs/synthetic/NAME_tiny.py with random weights, options over its keys."""
    cfg = Config.fromfile(str(CONFIGS / f'synthetic/{name}_tiny.py'))
    shrunk = _BRANCH | (_NAE if name != 'oim' else {})
    if name == 'seqnet':
        shrunk |= _SEQNET
    if name == 'roi_alignps':
        shrunk |= _ALIGNPS | dict(mutual=[MI])
    cfg.merge_from_dict({f'model.{key}': value for key, value in shrunk.items()})
    cfg.merge_from_dict({f'model.{key}': value for key, value in options.items()})
    torch.manual_seed(seed)
    return build_detector(cfg.model)


def tiny_batch(pids=((3, -1), (5, 3)), seed=0):
    """Pictures of noise with people, as the train loader would give them."""
    torch.manual_seed(seed)
    n = len(pids)
    people = torch.tensor([[8.0, 8, 40, 90], [60, 10, 100, 80], [30, 5, 70, 85]])
    boxes = [people[: len(image_pids)] for image_pids in pids]
    return dict(
        img=torch.randn(n, 3, HEIGHT, WIDTH),
        img_metas=[tiny_meta() for _ in range(n)],
        gt_bboxes=boxes,
        gt_labels=[torch.zeros(len(b), dtype=torch.long) for b in boxes],
        gt_pids=[torch.tensor(image_pids, dtype=torch.long) for image_pids in pids],
    )


def tiny_meta():
    scale = np.array([1.25, 1.25, 1.25, 1.25], dtype=np.float32)
    shape = (HEIGHT, WIDTH, 3)
    return dict(img_shape=shape, pad_shape=shape, scale_factor=scale)


@torch.no_grad()
def find(model, img, **kwargs):
    """Test a batch as the test loader would."""
    metas = [[tiny_meta() for _ in img]]
    return model.eval()(return_loss=False, rescale=True, img=[img], img_metas=metas, **kwargs)
