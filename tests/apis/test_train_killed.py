"""Training in processes of its own: killed ten times, and on two of them."""

import os
import random
import signal
import time
from functools import wraps

import numpy as np
import pytest
import torch
from mmcv.runner import HOOKS, Hook, get_dist_info

from mmdet_ps.apis import build_test_set, load_model, run_model, train
from mmdet_ps.core.checkpoints import newest_checkpoint, read_meta
from mmdet_ps.core.runner import TrainingStopped
from mmdet_ps.datasets import PersonSearchDataset

from ..core.processes import gathered, start
from .tiny_run import NUM_PICTURES, same, state_of, tiny_config, write_data

pytestmark = pytest.mark.slow
KILLS = 10
PATIENCE = 300


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    write_data(root)
    return root


def run(data, work_dir):
    cfg = tiny_config(
        data,
        work_dir,
        auto_resume=True,
        data__workers_per_gpu=1,
        runner__max_epochs=30,
        checkpoint_config=dict(interval=2, by_epoch=False, max_keep_ckpts=3),
    )
    train(cfg, seed=1, deterministic=True, validate=False)


def wait_for(condition, process):
    deadline = time.monotonic() + PATIENCE
    while not condition() and process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def progress(work_dir):
    """The largest iteration of which there is a checkpoint, going by names."""
    return max((int(path.stem[5:]) for path in work_dir.glob('iter_*.pth')), default=0)


def test_sigkill_at_random_moments(data, tmp_path):
    """Once a run has saved something new, it is killed after a random fraction of a second."""
    unbroken, killed = tmp_path / 'unbroken', tmp_path / 'killed'
    whole = start(run, data, unbroken)
    moments = random.Random(7)
    for kill in range(KILLS):
        before = progress(killed)
        process = start(run, data, killed)
        wait_for(lambda before=before: progress(killed) > before, process)
        time.sleep(moments.uniform(0, 0.3))
        assert process.is_alive(), f'finished before kill {kill}'
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        newest = newest_checkpoint(killed)
        assert read_meta(newest)['iter'] > before
    process = start(run, data, killed)
    process.join(PATIENCE)
    whole.join(PATIENCE)
    assert process.exitcode == whole.exitcode == 0
    same(state_of(killed / 'iter_150.pth'), state_of(unbroken / 'iter_150.pth'))
    assert not list(killed.glob('.*.pth*'))


@HOOKS.register_module(force=True)
class OnOneRank(Hook):
    """Spoil the second step of process 1; give process 0 a SIGTERM at step ``term_at``."""

    def __init__(self, term_at=None):
        self.term_at = term_at

    def before_run(self, runner):
        runner.bare_model.bbox_head.conv_cls.register_forward_hook(
            lambda layer, args, out: out / 0 if (runner.rank, runner.iter) == (1, 1) else None
        )

    def before_train_iter(self, runner):
        if (runner.rank, runner.iter) == (0, self.term_at):
            os.kill(os.getpid(), signal.SIGTERM)


def run_on_rank(data, work_dir, term_at):
    cfg = tiny_config(
        data,
        work_dir,
        auto_resume=True,
        data__samples_per_gpu=1,
        custom_hooks=[dict(type='OnOneRank', term_at=term_at)],
    )
    # Without --seed: drawn once for all processes, and taken from the checkpoint on a resume.
    seed = None if newest_checkpoint(work_dir) else 3
    try:
        model = train(cfg, 'pytorch', seed=seed, deterministic=True, validate=False)
    except TrainingStopped:
        assert term_at is not None
        return None
    assert get_dist_info()[1] == 2
    return model.state_dict()


def test_two_processes(data, tmp_path):
    """They skip the same step, stop after the same step, and go on as if nothing had been."""
    unbroken = gathered(tmp_path / 'a', 2, run_on_rank, data, tmp_path / 'unbroken', None)
    stopped = gathered(tmp_path / 'b', 2, run_on_rank, data, tmp_path / 'stopped', 3)
    assert stopped == [None, None]
    assert read_meta(tmp_path / 'stopped' / 'stopped.pth')['iter'] == 4
    resumed = gathered(tmp_path / 'c', 2, run_on_rank, data, tmp_path / 'stopped', None)
    last = [tmp_path / name / 'epoch_2.pth' for name in ('unbroken', 'stopped')]
    same(state_of(last[0]), state_of(last[1]))
    assert [read_meta(path)['skipped_steps'] for path in last] == [1, 1]
    for states in (unbroken, resumed):
        for name, value in states[0].items():
            # The running statistics of batch norm are each process's own.
            if 'running_' not in name:
                assert torch.equal(value, states[1][name]), name


def searching(data, work_dir):
    """A config under which a network that has hardly learned finds somebody."""
    cfg = tiny_config(data, work_dir, data__samples_per_gpu=1, runner__max_epochs=1)
    cfg.evaluation.update(interval=1, query_feature='gt_box', score_thr=0.0)
    cfg.model.test_cfg.score_thr = 0.0
    return cfg


def search_on_rank(data, work_dir):
    """What is evaluated after the epoch on this process, if anything is."""
    found = []

    @wraps(PersonSearchDataset.evaluate)
    def evaluate(dataset, results, **kwargs):
        found.extend(results)
        return dict(mAP=0.5)

    PersonSearchDataset.evaluate = evaluate
    train(searching(data, work_dir), 'pytorch', seed=3)
    return found


def test_two_processes_search_during_training(data, tmp_path):
    """What they find together is what one process finds with the weights that they saved."""
    found, nothing = gathered(tmp_path / 'a', 2, search_on_rank, data, tmp_path / 'run')
    assert nothing == []
    cfg = searching(data, tmp_path / 'run')
    model = load_model(cfg, str(tmp_path / 'run/best_mAP_epoch_1.pth'))
    expected = run_model(model, build_test_set(cfg, query_boxes=True), cfg)
    assert len(found) == len(expected) == NUM_PICTURES
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours['bboxes'], theirs['bboxes'], rtol=1e-4, atol=1e-4)
        assert ours['query_feats'].keys() == theirs['query_feats'].keys()
    assert [len(result['query_boxes']) for result in found] == [1] + [0] * 9
