"""A run that is stopped and resumed is the run that never stopped, to the last bit."""

import math
import os
import shutil
import signal
from contextlib import nullcontext

import pytest
import torch
from mmcv.runner import HOOKS, Hook

from mmdet_ps.apis import train
from mmdet_ps.core.checkpoints import newest_checkpoint
from mmdet_ps.core.runner import TrainingStopped

from .tiny_run import same, state_of, tiny_config, write_data

pytestmark = pytest.mark.filterwarnings('ignore::UserWarning')


@HOOKS.register_module(force=True)
class TermAt(Hook):
    """Send this process a SIGTERM before iteration ``at``, counted from 0."""

    def __init__(self, at):
        self.at = at

    def before_train_iter(self, runner):
        if runner.iter == self.at:
            os.kill(os.getpid(), signal.SIGTERM)


@HOOKS.register_module(force=True)
class NoteDraws(Hook):
    """Note what a training step would draw first, by its iteration, and which epochs end."""

    drawn: dict = {}
    ends: list = []

    def before_train_iter(self, runner):
        self.drawn[runner.iter] = torch.rand(1).item()

    def after_train_epoch(self, runner):
        self.ends.append(runner.epoch)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    write_data(root)
    return root


@pytest.fixture(scope='module')
def unbroken(data, tmp_path_factory):
    """Two epochs of five iterations in one go, saved after each third iteration too."""
    work_dir = tmp_path_factory.mktemp('unbroken')
    cfg = tiny_config(data, work_dir, checkpoint_config=dict(interval=3, by_epoch=False))
    cfg.custom_hooks.append(dict(type='CheckpointHook', interval=1))
    train(cfg, seed=3, deterministic=True, validate=False)
    return work_dir


@pytest.fixture
def work_dir(unbroken, tmp_path):
    """An empty work directory with a few of the unbroken run's checkpoints."""

    def make(*names):
        for name in names:
            shutil.copy(unbroken / name, tmp_path / name)
        return tmp_path

    return make


def resume(data, work_dir, **options):
    cfg = tiny_config(data, work_dir, auto_resume=True, **options)
    return train(cfg, deterministic=True, validate=False)


def test_after_an_epoch(data, unbroken, work_dir):
    """The loader's workers, other in number and long-lived, make no difference either."""
    work_dir = work_dir('epoch_1.pth')
    resume(data, work_dir, data__workers_per_gpu=2, data__persistent_workers=True)
    state = state_of(work_dir / 'epoch_2.pth')
    assert state['place'] == [2, 10, 0, 5, 3]
    same(state, state_of(unbroken / 'epoch_2.pth'))


def test_in_the_middle_of_an_epoch(data, unbroken, work_dir):
    work_dir = work_dir('epoch_1.pth', 'iter_6.pth', 'iter_3.pth')
    assert state_of(work_dir / 'iter_6.pth')['place'] == [1, 6, 1, 5, 3]
    resume(data, work_dir)
    same(state_of(work_dir / 'epoch_2.pth'), state_of(unbroken / 'epoch_2.pth'))


def test_what_a_step_draws_depends_on_its_place_alone(data, tmp_path):
    """RoI samplers and MINE draw; this model does not, so a hook does."""
    noted = [dict(type='NoteDraws')]
    NoteDraws.drawn.clear()
    train(tiny_config(data, tmp_path, custom_hooks=noted), seed=3, validate=False)
    whole = dict(NoteDraws.drawn)
    assert sorted(whole) == list(range(10)) and len(set(whole.values())) == 10
    (tmp_path / 'epoch_2.pth').unlink()
    NoteDraws.drawn.clear()
    NoteDraws.ends.clear()
    resume(data, tmp_path, custom_hooks=noted)
    # The end of the epoch that was saved, its evaluation say, may have been cut off.
    assert NoteDraws.ends == [0, 1]
    assert NoteDraws.drawn == {place: whole[place] for place in range(5, 10)}


def test_sigterm_saves_and_says_that_it_is_not_finished(data, unbroken, tmp_path):
    cfg = tiny_config(data, tmp_path, custom_hooks=[dict(type='TermAt', at=3)])
    with pytest.raises(TrainingStopped, match=r'iteration 4 of 10 and saved .*stopped.pth'):
        train(cfg, seed=3, deterministic=True, validate=False)
    assert state_of(tmp_path / 'stopped.pth')['place'] == [0, 4, 4, 5, 3]
    assert [path.name for path in tmp_path.glob('*.pth') if not path.is_symlink()] == [
        'stopped.pth'
    ]
    resume(data, tmp_path)
    same(state_of(tmp_path / 'epoch_2.pth'), state_of(unbroken / 'epoch_2.pth'))


def test_sigterm_waits_for_accumulated_gradients(data, tmp_path):
    cfg = tiny_config(
        data,
        tmp_path,
        custom_hooks=[dict(type='TermAt', at=2)],
        optimizer_config=dict(type='GradientCumulativeOptimizerHook', cumulative_iters=2),
    )
    with pytest.raises(TrainingStopped):
        train(cfg, seed=3, deterministic=True, validate=False)
    assert state_of(tmp_path / 'stopped.pth')['place'][1] == 4


SEVEN = dict(runner__max_epochs=None, runner__max_iters=7, lr_config__warmup=None)


@pytest.fixture(scope='module')
def limited(data, tmp_path_factory):
    """Seven iterations, in epochs of five, in one go."""
    work_dir = tmp_path_factory.mktemp('limited')
    cfg = tiny_config(data, work_dir, **SEVEN)
    train(cfg, seed=3, deterministic=True, validate=False)
    return work_dir


def test_a_number_of_iterations(limited):
    """The run ends in the middle of an epoch, and the learning rate at its lowest."""
    assert {path.name for path in limited.glob('*.pth')} == {
        'epoch_1.pth',
        'iter_7.pth',
        'latest.pth',
    }
    state = state_of(limited / 'iter_7.pth')
    assert state['place'] == [1, 7, 2, 5, 3]
    share = 0.5 * (1 + math.cos(math.pi * 6 / 7))
    rate = max(group['lr'] for group in state['optimizer']['param_groups'])
    assert rate == pytest.approx(0.002 * (0.01 + 0.99 * share))


def test_last_iteration_is_saved_whatever_the_interval(data, limited, tmp_path):
    by_iteration = dict(interval=4, by_epoch=False)
    cfg = tiny_config(data, tmp_path, checkpoint_config=by_iteration, **SEVEN)
    train(cfg, seed=3, deterministic=True, validate=False)
    assert {path.name for path in tmp_path.glob('iter_*.pth')} == {'iter_4.pth', 'iter_7.pth'}
    same(state_of(tmp_path / 'iter_7.pth'), state_of(limited / 'iter_7.pth'))


def test_no_iterations(data, tmp_path):
    with pytest.raises(ValueError, match=r'runner\.max_iters=0: at least 1'):
        train(tiny_config(data, tmp_path, **SEVEN | dict(runner__max_iters=0)), validate=False)


@pytest.mark.parametrize('at', [2, 5, 6])
def test_a_number_of_iterations_in_two_parts(data, limited, tmp_path, at):
    """Stopped in the middle of an epoch, between two, or when the last iteration is done."""
    cfg = tiny_config(data, tmp_path, custom_hooks=[dict(type='TermAt', at=at)], **SEVEN)
    with pytest.raises(TrainingStopped) if at < 6 else nullcontext():
        train(cfg, seed=3, deterministic=True, validate=False)
    stopped = (tmp_path / 'stopped.pth').exists()
    assert stopped == (at < 6)
    assert stopped == (not (tmp_path / 'iter_7.pth').exists())
    resume(data, tmp_path, **SEVEN)
    assert (tmp_path / 'latest.pth').resolve().name == 'iter_7.pth'
    same(state_of(tmp_path / 'iter_7.pth'), state_of(limited / 'iter_7.pth'))


def test_another_seed_is_another_run(data, unbroken, tmp_path):
    """So that the tests above could fail."""
    cfg = tiny_config(data, tmp_path, runner__max_epochs=2)
    train(cfg, seed=4, deterministic=True, validate=False)
    weights = [state_of(w / 'epoch_1.pth')['weights'] for w in (tmp_path, unbroken)]
    assert not torch.equal(*(w['backbone.conv1.weight'] for w in weights))


@pytest.mark.parametrize('damage', ['cut', 'flip'])
def test_damaged_newest_is_passed_over(work_dir, damage):
    work_dir = work_dir('epoch_1.pth', 'epoch_2.pth', 'iter_6.pth')
    newest = work_dir / 'epoch_2.pth'
    assert newest_checkpoint(work_dir) == newest
    content = bytearray(newest.read_bytes())
    if damage == 'cut':
        content = content[: len(content) * 2 // 3]
    else:
        content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with pytest.warns(UserWarning, match='epoch_2.pth'):
        assert newest_checkpoint(work_dir) == work_dir / 'iter_6.pth'


def test_nothing_to_resume(tmp_path):
    assert newest_checkpoint(tmp_path / 'missing') is None
    torch.save(dict(state_dict={}), tmp_path / 'pretrained.pth')
    with pytest.warns(UserWarning, match='pretrained.pth'):
        assert newest_checkpoint(tmp_path) is None
