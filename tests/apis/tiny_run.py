"""Training runs of the shipped config, small enough for a test."""

import json
from pathlib import Path

import torch

from mmdet_ps.apis import load_config

from ..releases.official import write_picture

CONFIG = Path(__file__).parents[2] / 'configs' / 'synthetic' / 'alignps_tiny.py'
SIZE = (96, 64)
NUM_PICTURES = 10
NUM_PIDS = 4


def write_data(root):
    """Ten pictures with two or three people each, two of the pictures upright."""
    images, people = [], []
    for i in range(NUM_PICTURES):
        width, height = SIZE if i < 8 else SIZE[::-1]
        name = f'{i}.jpg'
        images.append(dict(id=i, file_name=name, width=width, height=height))
        write_picture(root / 'pics' / name, (width, height), seed=i)
        for n in range(2 + i % 2):
            people.append(
                dict(
                    id=len(people),
                    image_id=i,
                    category_id=1,
                    bbox=[4 + 18 * n, 6 + 2 * n, 16, 40],
                    person_id=(i + n) % (NUM_PIDS + 1) - 1,
                )
            )
    content = dict(images=images, annotations=people, categories=[dict(id=1, name='person')])
    (root / 'train.json').write_text(json.dumps(content))
    query = dict(file_name='0.jpg', bbox=[22, 8, 16, 40], person_id=0)
    (root / 'queries.json').write_text(json.dumps([query]))


def tiny_config(root, work_dir, config=CONFIG, **options):
    """The config for `write_data`'s pictures; dots in option names are written as ``__``."""
    cfg = load_config(config)
    for part in ('train', 'val', 'test'):
        cfg.data[part].update(
            type='PersonSearchDataset',
            data_root=str(root),
            ann_file='train.json',
            img_prefix='pics',
        )
        cfg.data[part].pop('gallery_sizes', None)
        if part != 'train':
            cfg.data[part].query_file = 'queries.json'
    values = dict(
        work_dir=str(work_dir),
        log_level='WARNING',
        data__samples_per_gpu=2,
        data__workers_per_gpu=0,
        data__persistent_workers=False,
        runner__max_epochs=2,
        lr_config__warmup_iters=3,
        model__backbone__base_channels=8,
        model__neck=dict(in_channels=[16, 32, 64], out_channels=16),
        model__bbox_head=dict(in_channels=16, feat_channels=16, stacked_convs=1),
        model__bbox_head__loss_reid__oim=dict(
            num_pids=NUM_PIDS, queue_size=6, feat_channels=16, loss_weight=1.0
        ),
        checkpoint_config__max_keep_ckpts=-1,
        log_config__interval=1,
        opencv_num_threads=0,
    )
    values.update(options)
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in values.items()})
    return cfg


def same(left, right, path=''):
    """Whether two checkpoints are the same to the last bit; names what differs."""
    if isinstance(left, dict):
        assert left.keys() == right.keys(), (path, left.keys() ^ right.keys())
        for key in left:
            same(left[key], right[key], f'{path}.{key}')
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), path
        for i, (a, b) in enumerate(zip(left, right, strict=True)):
            same(a, b, f'{path}.{i}')
    elif isinstance(left, torch.Tensor):
        assert torch.equal(left, right), (path, (left - right).abs().max())
    else:
        assert left == right, (path, left, right)


def state_of(path):
    """What of a checkpoint a resume must reproduce."""
    content = torch.load(path, weights_only=True)
    meta = content['meta']
    return dict(
        weights=content['state_dict'],
        optimizer=content['optimizer'],
        place=[meta[key] for key in ('epoch', 'iter', 'inner_iter', 'epoch_iters', 'seed')],
    )
