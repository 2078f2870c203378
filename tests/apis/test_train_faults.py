"""What goes wrong in a training run, and what the run makes of it."""

import errno
import json
import os
import shutil
import signal
from contextlib import contextmanager
from functools import wraps

import numpy as np
import pytest
import torch
from mmcv.runner import HOOKS, Hook
from mmdet.datasets import PIPELINES
from torch.utils.data import get_worker_info

from mmdet_ps.apis import train
from mmdet_ps.core import checkpoints
from mmdet_ps.core.checkpoints import newest_checkpoint, plain, read_meta
from mmdet_ps.core.hooks import SafeEvalHook
from mmdet_ps.core.preparation import choose_precision
from mmdet_ps.datasets import PersonSearchDataset
from mmdet_ps.utils.cli import run_tool

from .tiny_run import same, state_of, tiny_config, write_data

pytestmark = pytest.mark.filterwarnings('ignore::UserWarning')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    write_data(root)
    return root


@HOOKS.register_module(force=True)
class PoisonAt(Hook):
    """Make the pictures, a loss or a gradient of some iterations infinite; watch the model."""

    watched: list = []

    def __init__(self, at, what='pictures'):
        self.at, self.what = at, what

    def before_run(self, runner):
        self.watched.clear()
        layer = runner.bare_model.bbox_head.conv_cls

        def poison(value):
            return value / 0 if runner.iter in self.at else value

        if self.what == 'gradient':
            layer.weight.register_hook(poison)
        elif self.what == 'loss':
            layer.register_forward_hook(lambda layer, args, out: poison(out))

    def before_train_iter(self, runner):
        state = {key: value.clone() for key, value in runner.bare_model.state_dict().items()}
        self.watched.append((state, runner.meta.get('skipped_steps', 0)))
        if self.what == 'pictures' and runner.iter in self.at:
            runner.data_batch['img'].data[0][-1] = torch.inf


@PIPELINES.register_module(force=True)
class DieInWorker:
    """Be killed, as by the kernel when memory runs out."""

    def __call__(self, results):
        if get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return results


def one_line(capsys, main):
    """The only line on stderr of a tool that ends with exit code 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run_tool(main)
    assert ended.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error')]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize('hook', ['OptimizerHook', 'GradientCumulativeOptimizerHook'])
@pytest.mark.parametrize(('what', 'named'), [('loss', 'loss_cls, loss'), ('pictures', 'buffers')])
def test_nonfinite_step_leaves_no_trace(data, tmp_path, caplog, hook, what, named):
    """Neither in weights nor in batch norm nor in the memory."""
    cfg = tiny_config(
        data,
        tmp_path,
        runner__max_epochs=1,
        custom_hooks=[dict(type='PoisonAt', at=[2], what=what)],
        optimizer_config=dict(type=hook),
    )
    train(cfg, seed=0, validate=False)
    watched = [state for state, _ in PoisonAt.watched]
    assert [skipped for _, skipped in PoisonAt.watched] == [0, 0, 0, 1, 1]
    same(watched[2], watched[3])
    table = 'bbox_head.loss_reid.oim.memory.table'
    for before, after in ((1, 2), (3, 4)):
        assert not torch.equal(watched[before][table], watched[after][table])
    (line,) = [r.getMessage() for r in caplog.records if 'skipped' in r.getMessage()]
    assert line.startswith(f'Iteration 3: {named} not finite') and '(1 so far)' in line
    assert line.count('.jpg') == 2
    saved = state_of(tmp_path / 'epoch_1.pth')['weights']
    assert all(value.isfinite().all() for value in saved.values())
    assert read_meta(tmp_path / 'epoch_1.pth')['skipped_steps'] == 1


def test_what_a_checkpoint_knows_of_its_run_is_kept_by_a_resume(data, tmp_path):
    """The number of skipped steps here; the best score in the same way."""
    poison = dict(type='PoisonAt', at=[2], what='loss')
    cfg = tiny_config(data, tmp_path, runner__max_epochs=1, custom_hooks=[poison])
    train(cfg, seed=0, validate=False)
    train(tiny_config(data, tmp_path, auto_resume=True), validate=False)
    meta = read_meta(tmp_path / 'epoch_2.pth')
    assert (meta['epoch'], meta['seed'], meta['skipped_steps']) == (2, 0, 1)


def test_nonfinite_gradient_leaves_no_trace(data, tmp_path):
    poison = dict(type='PoisonAt', at=[1], what='gradient')
    cfg = tiny_config(data, tmp_path, runner__max_epochs=1, custom_hooks=[poison])
    model = train(cfg, seed=0, validate=False)
    assert [skipped for _, skipped in PoisonAt.watched] == [0, 0, 1, 1, 1]
    same(PoisonAt.watched[1][0], PoisonAt.watched[2][0])
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_nonfinite_too_often(data, tmp_path, capsys):
    cfg = tiny_config(
        data,
        tmp_path,
        runner__max_nonfinite=3,
        custom_hooks=[dict(type='PoisonAt', at=[1, 3, 5, 6, 7, 8], what='loss')],
    )
    line = one_line(capsys, lambda: train(cfg, seed=0, validate=False))
    assert '3 steps in a row up to iteration 8' in line
    assert '.jpg' in line and 'optimizer.lr' in line and 'runner.max_nonfinite' in line


def test_worker_that_dies(data, tmp_path, capsys):
    cfg = tiny_config(data, tmp_path, data__workers_per_gpu=1)
    cfg.data.train.pipeline.insert(1, dict(type='DieInWorker'))
    line = one_line(capsys, lambda: train(cfg, seed=0, validate=False))
    assert 'DataLoader worker' in line and 'workers_per_gpu' in line


def test_full_disk(data, tmp_path, capsys, monkeypatch):
    real = checkpoints.atomic_write

    class Full:
        def __init__(self, stream):
            self.stream = stream

        def write(self, content):
            self.stream.write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, 'No space left on device')

    @contextmanager
    def full(path):
        with real(path) as stream:
            yield Full(stream) if path.name == 'epoch_2.pth' else stream

    monkeypatch.setattr(checkpoints, 'atomic_write', full)
    line = one_line(capsys, lambda: train(tiny_config(data, tmp_path), seed=0, validate=False))
    assert str(tmp_path) in line and 'No space left' in line and '--auto-resume' in line
    assert newest_checkpoint(tmp_path) == tmp_path / 'epoch_1.pth'
    assert {path.name for path in tmp_path.glob('*pth*')} == {'epoch_1.pth', 'latest.pth'}
    assert (tmp_path / 'latest.pth').resolve() == tmp_path / 'epoch_1.pth'
    assert not list(tmp_path.glob('.*.pth*'))


def test_broken_picture(data, tmp_path, caplog):
    root = tmp_path / 'data'
    write_data(root)
    picture = root / 'pics' / '3.jpg'
    picture.write_bytes(picture.read_bytes()[:200])
    train(tiny_config(root, tmp_path / 'run', runner__max_epochs=1), seed=0, validate=False)
    assert '1 broken training pictures replaced: 3.jpg' in caplog.text


class Payload:
    """Runs code when it is unpickled by a loader that runs code."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize('key', ['resume_from', 'load_from'])
def test_checkpoint_that_brings_code(data, tmp_path, capsys, key):
    evil, ran = tmp_path / 'evil.pth', tmp_path / 'ran'
    torch.save(dict(state_dict={}, meta=dict(epoch=1, iter=5), optimizer=Payload(ran)), evil)
    cfg = tiny_config(data, tmp_path / 'run', **{key: str(evil)})
    line = one_line(capsys, lambda: train(cfg, seed=0, validate=False))
    assert 'evil.pth' in line and 'mkdir' in line and '--trust' in line
    assert not ran.exists()
    with pytest.raises(ValueError):
        train(cfg, seed=0, validate=False, trust=True)  # Refused later: it holds no weights.
    assert ran.exists()


def test_config_in_a_checkpoint_is_not_run(data, tmp_path):
    """mmcv's own resume executes it."""
    train(tiny_config(data, tmp_path, runner__max_epochs=1), seed=0, validate=False)
    content = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    content['meta']['config'] = f'import os\nos.mkdir({str(tmp_path / "ran")!r})'
    torch.save(content, tmp_path / 'epoch_1.pth')
    cfg = tiny_config(data, tmp_path, resume_from=str(tmp_path / 'epoch_1.pth'))
    train(cfg, validate=False)
    assert state_of(tmp_path / 'epoch_2.pth')['place'][0] == 2
    assert not (tmp_path / 'ran').exists()


def test_runner_that_would_run_it_is_refused(data, tmp_path, capsys):
    saved = tmp_path / 'some.pth'
    torch.save(dict(state_dict={}), saved)
    cfg = tiny_config(data, tmp_path, runner__type='EpochBasedRunner', load_from=str(saved))
    line = one_line(capsys, lambda: train(cfg, seed=0, validate=False))
    assert 'EpochBasedRunner' in line and 'ResumableRunner' in line and '--trust' in line


def test_resume_from_weights_alone(data, tmp_path, capsys):
    cfg = tiny_config(data, tmp_path, runner__max_epochs=1, checkpoint_config__save_optimizer=False)
    train(cfg, seed=0, validate=False)
    saved = str(tmp_path / 'epoch_1.pth')
    cfg = tiny_config(data, tmp_path, resume_from=saved)
    line = one_line(capsys, lambda: train(cfg, seed=0, validate=False))
    assert 'no state of a run' in line and 'load_from' in line
    cfg = tiny_config(data, tmp_path / 'new', runner__max_epochs=0, load_from=saved)
    model = train(cfg, seed=5, validate=False)
    weights = state_of_weights(saved)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


def state_of_weights(path):
    return torch.load(path, weights_only=True)['state_dict']


def test_missing_checkpoint(data, tmp_path, capsys):
    cfg = tiny_config(data, tmp_path, resume_from=str(tmp_path / 'none.pth'))
    assert 'none.pth' in one_line(capsys, lambda: train(cfg, seed=0, validate=False))


def test_best_checkpoint_is_kept_until_the_better_is_there(tmp_path, monkeypatch):
    """And what a resumed checkpoint says about the best one's folder is not believed."""
    elsewhere = tmp_path / 'elsewhere' / 'precious.pth'
    elsewhere.parent.mkdir()
    elsewhere.write_text('')
    old = tmp_path / 'work' / 'best_mAP_epoch_1.pth'
    old.parent.mkdir()
    old.write_text('')

    class Runner:
        epoch = 1
        meta = dict(hook_msgs=dict(best_score=0.1))
        logger = type('Logger', (), dict(info=print))()
        broken = True

        def save_checkpoint(self, out_dir, filename_tmpl, create_symlink):
            if self.broken:
                raise OSError(errno.ENOSPC, 'No space left on device')
            (tmp_path / 'work' / filename_tmpl).write_text('')

    hook = SafeEvalHook(torch.utils.data.DataLoader([0]), save_best='mAP')
    hook.out_dir, runner = str(old.parent), Runner()
    hook.file_client = type(
        'Client', (), dict(join_path=lambda self, *parts: os.path.join(*parts))
    )()
    hook.best_ckpt_path = str(old)
    with pytest.raises(OSError):
        hook._save_ckpt(runner, 0.5)
    assert old.exists()
    runner.broken, runner.meta = False, dict(hook_msgs=dict(best_score=0.1))
    hook.best_ckpt_path = str(old)
    hook._save_ckpt(runner, 0.5)
    assert [path.name for path in old.parent.iterdir()] == ['best_mAP_epoch_2.pth']
    hook._save_ckpt(runner, 0.4)
    assert hook.best_ckpt_path.endswith('best_mAP_epoch_2.pth')
    hook.best_ckpt_path, runner.epoch = str(elsewhere), 2
    hook._save_ckpt(runner, 0.6)
    assert elsewhere.exists()


def test_best_score_is_a_plain_number(data, tmp_path, monkeypatch):
    """A NumPy number in it would make the checkpoint unreadable without running code."""
    scores = iter([np.float64(0.25), np.float64(0.5), np.float64(0.25)])

    @wraps(PersonSearchDataset.evaluate)
    def evaluate(*args, **kwargs):
        return dict(mAP=next(scores))

    monkeypatch.setattr(PersonSearchDataset, 'evaluate', evaluate)
    cfg = tiny_config(data, tmp_path, runner__max_epochs=3, evaluation__interval=1)
    train(cfg, seed=0)
    assert [path.name for path in tmp_path.glob('best_*')] == ['best_mAP_epoch_2.pth']
    score = read_meta(tmp_path / 'epoch_3.pth')['hook_msgs']['best_score']
    assert type(score) is float and score == 0.5


def test_plain():
    found = plain({'a': np.float64(0.5), 'b': [np.int64(2), (np.array([1, 2]),)], 3: None})
    assert found == {'a': 0.5, 'b': [2, ([1, 2],)], 3: None}
    assert type(found['a']) is float and type(found['b'][0]) is int


def test_precision_that_cannot_be(data, tmp_path):
    cfg = tiny_config(data, tmp_path, fp16=dict(loss_scale=512.0), bf16=True)
    with pytest.raises(ValueError, match='choose one'):
        choose_precision(cfg)
    cfg.bf16 = False
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match='fp16 needs a GPU; bf16=True'):
            choose_precision(cfg)


@pytest.mark.parametrize(
    'option, error',
    [
        (dict(evaluation__cbgm=3), ValueError),
        (dict(evaluation__score_thr='high'), ValueError),
        (dict(evaluation__query_features='gt_box'), KeyError),
        (dict(data__train__max_corupt=3), KeyError),
    ],
)
@pytest.mark.parametrize('validate', [True, False])
def test_bad_options_end_before_anything_runs(data, tmp_path, option, error, validate):
    """In a config that a user's own code has put together, too."""
    (name,) = option
    with pytest.raises(error, match=name.split('__')[-1]):
        train(tiny_config(data, tmp_path / 'run', **option), seed=0, validate=validate)
    assert not (tmp_path / 'run').exists()


def test_protocol_that_is_missing_ends_before_the_first_epoch(data, tmp_path):
    cfg = tiny_config(data, tmp_path / 'run', evaluation__gallery_sizes=[4000])
    with pytest.raises((ValueError, KeyError, FileNotFoundError), match='4000'):
        train(cfg, seed=0)
    assert not (tmp_path / 'run').exists()


def test_config_of_the_caller_stays_as_it_is(data, tmp_path):
    cfg = tiny_config(data, tmp_path, runner__max_epochs=1)
    before = cfg.pretty_text
    train(cfg, seed=0, validate=False)
    assert cfg.pretty_text == before


def test_nobody_with_an_identity_is_told_before_training(tmp_path, data):
    shutil.copytree(data, tmp_path / 'data')
    path = tmp_path / 'data/train.json'
    content = json.loads(path.read_text())
    for person in content['annotations']:
        person['person_id'] = -1
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'train\.json: nobody has an identity.*person_id'):
        train(tiny_config(tmp_path / 'data', tmp_path / 'run'), seed=0, validate=False)
    assert not (tmp_path / 'run').exists()
