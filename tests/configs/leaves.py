"""Ablation leaves as models: at full size without memory, and narrow with one step done."""

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from mmcv import Config, ConfigDict
from mmdet.models import build_detector

from mmdet_ps.models.memories import IdentityMemory
from mmdet_ps.utils.logs import without_info

CONFIGS = Path(__file__).parents[2] / 'configs'
ABLATIONS = CONFIGS / 'ablations'
DATASETS = ('cuhk', 'prw', 'synthetic')
LEAVES = sorted(p for d in DATASETS for p in ABLATIONS.glob(f'*/*_{d}.py'))
WIDTHS = ('in_channels', 'out_channels', 'feat_channels', 'c4_channels', 'hidden_channels')
NARROW = 8


def leaf(table, row, dataset):
    (folder,) = ABLATIONS.glob(f'{table}_*')
    return folder / f'{row}_{dataset}.py'


@cache
def config(path):
    return Config.fromfile(str(path))


def plain(cfg):
    return cfg.to_dict() if isinstance(cfg, ConfigDict) else cfg


def text(model):
    return json.dumps(plain(model), sort_keys=True)


def built(path):
    """The leaf's model at its own size, on a device without memory."""
    return _built(text(config(path).model))


@cache
def _built(model):
    with torch.device('meta'):
        return build_detector(ConfigDict(json.loads(model)))


def narrowed(model):
    """The same network with an eighth of a ResNet-50's channels; small models stay as they are."""
    model = plain(model)
    if 'base_channels' in model['backbone']:
        return model

    def divide(node):
        if isinstance(node, list | tuple):
            return [divide(n) for n in node]
        if not isinstance(node, dict):
            return node
        node = {key: divide(value) for key, value in node.items()}
        for key in WIDTHS:
            if isinstance(node.get(key), list):
                node[key] = [channels // NARROW for channels in node[key]]
            elif key in node:
                node[key] //= NARROW
        if node.get('depth') == 50:
            node.update(base_channels=64 // NARROW, init_cfg=None)
        if 'num_pids' in node:
            node.update(num_pids=4, queue_size=6)
        return node

    return divide(model)


def few(node):
    """A config with few RoIs and detections, and no threshold: untrained heads are not sure."""
    if isinstance(node, list):
        return [few(n) for n in node]
    if not isinstance(node, dict):
        return node
    node = {key: few(value) for key, value in node.items()}
    if node.get('type') == 'RandomSampler':
        node['num'] = 16
    limits = dict(max_per_img=10, score_thr=0.0)
    return node | {key: value for key, value in limits.items() if key in node}


def stepped(path):
    """The narrow model after a training step and a test step.

    Returns:
        ``model``; ``losses`` by name; ``reid_parameters``, the names of the parameters that
        ``loss_oim`` moves; ``moved``, those that any loss moves; ``maps``, the shapes of what the
        head reads; ``results`` of two pictures.
    """
    return _stepped(text(narrowed(config(path).model)))


@cache
def _stepped(model):
    torch.manual_seed(0)
    cfg = ConfigDict(few(json.loads(model)))
    # An untrained network finds people too, at some score.
    cfg.test_cfg.get('rcnn', cfg.test_cfg).score_thr = 0.0
    # Otherwise a residual branch starts at zero, and lets no gradient past in the first step.
    cfg.backbone.zero_init_residual = False
    model = build_detector(cfg)
    with without_info():
        model.init_weights()
    for module in model.modules():
        # Against a memory of zeros every embedding is as good as another.
        if isinstance(module, IdentityMemory):
            module.table.copy_(F.normalize(torch.randn_like(module.table)))
            module.touched.fill_(True)
    maps = []
    if hasattr(model, 'neck'):
        model.neck.register_forward_hook(lambda _, __, out: maps.append([m.shape for m in out]))
    img = torch.randn(2, 3, 96, 160)
    metas = [
        dict(img_shape=(96, 160, 3), ori_shape=(192, 320, 3), pad_shape=(96, 160, 3))
        | dict(scale_factor=0.5, flip=False, filename=f'{i}.jpg')
        for i in range(2)
    ]
    boxes = [torch.tensor([[20.0, 5, 70, 90], [70, 4, 120, 92]]), torch.tensor([[30.0, 8, 80, 90]])]
    truth = dict(
        gt_bboxes=boxes,
        gt_labels=[torch.zeros(len(b), dtype=torch.long) for b in boxes],
        gt_pids=[torch.tensor([0, 1]), torch.tensor([0])],
    )
    model.train()
    losses = model(return_loss=True, img=img, img_metas=metas, **truth)
    total, log = model._parse_losses(losses)
    reid_parameters = set()
    if 'loss_oim' in losses:
        reid_parameters = moved_by(model, losses['loss_oim'])
    moved = moved_by(model, total)
    model.eval()
    with torch.no_grad():
        results = model(return_loss=False, rescale=True, img=[img], img_metas=[metas])
    return SimpleNamespace(
        model=model,
        losses={name: log[name] for name in losses},
        reid_parameters=reid_parameters,
        moved=moved,
        maps=maps[0] if maps else [],
        results=results,
    )


def moved_by(model, loss):
    model.zero_grad()
    loss.backward(retain_graph=True)
    return {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}


def deformable(model, part):
    """Names of the deformable convolutions in a part of a model."""
    return {name for name, m in getattr(model, part).named_modules() if hasattr(m, 'conv_offset')}


def starting(names, *prefixes):
    return {prefix for prefix in prefixes if any(name.startswith(prefix) for name in names)}
