"""Ways to train with less memory or another batch: what they change and what they must not."""

import pytest
import torch
from mmcv.runner import HOOKS, Hook
from mmdet.models import build_detector

from mmdet_ps.apis import train
from mmdet_ps.core.parallel import wrap_model
from mmdet_ps.core.precision import train_in_bfloat16
from mmdet_ps.models.memories import IdentityMemory

from .tiny_run import NUM_PIDS, tiny_config, write_data

pytestmark = pytest.mark.filterwarnings('ignore::UserWarning')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    write_data(root)
    return root


@HOOKS.register_module(force=True)
class CountSteps(Hook):
    """Count the optimizer's steps and note its learning rate."""

    seen: dict = {}

    def before_run(self, runner):
        self.seen.clear()
        self.seen.update(steps=0, lr=runner.optimizer.param_groups[0]['initial_lr'])
        runner.optimizer.register_step_post_hook(self.count)

    def count(self, *_):
        self.seen['steps'] += 1


@pytest.fixture
def updates(monkeypatch):
    """The number of features in each update of a memory."""
    sizes = []
    real = IdentityMemory.update

    def counted(memory, feats, pids):
        sizes.append(len(feats))
        assert feats.dtype == memory.table.dtype == torch.float32
        return real(memory, feats, pids)

    monkeypatch.setattr(IdentityMemory, 'update', counted)
    return sizes


def test_accumulated_gradients(data, tmp_path, updates):
    cfg = tiny_config(
        data,
        tmp_path,
        custom_hooks=[dict(type='CountSteps')],
        optimizer_config=dict(type='GradientCumulativeOptimizerHook', cumulative_iters=5),
    )
    train(cfg, seed=0, validate=False)
    assert len(updates) == 10
    assert CountSteps.seen['steps'] == 2


@pytest.mark.parametrize('base', [2, 8])
def test_learning_rate_scales_with_the_batch(data, tmp_path, base):
    """Two pictures on one process."""
    cfg = tiny_config(
        data,
        tmp_path,
        runner__max_epochs=0,
        custom_hooks=[dict(type='CountSteps')],
        auto_scale_lr=dict(enable=True, base_batch_size=base),
    )
    train(cfg, seed=0, validate=False)
    assert CountSteps.seen['lr'] == pytest.approx(0.002 * 2 / base)


def test_learning_rate_of_no_known_batch_is_not_scaled(data, tmp_path):
    cfg = tiny_config(data, tmp_path)
    cfg.auto_scale_lr = dict(enable=True)
    with pytest.raises(ValueError, match='set auto_scale_lr.base_batch_size'):
        train(cfg, seed=0, validate=False)


def step(model):
    """Losses and gradients of one step on three fixed people."""
    generator = torch.Generator().manual_seed(1)
    boxes = torch.tensor([[4.0, 6, 24, 56], [30, 4, 56, 60], [60, 8, 90, 60]])
    data = dict(
        img=torch.randn(2, 3, 64, 96, generator=generator),
        img_metas=[dict(img_shape=(64, 96, 3), pad_shape=(64, 96, 3), scale_factor=1.0)] * 2,
        gt_bboxes=[boxes[:2], boxes[2:]],
        gt_labels=[torch.zeros(2, dtype=torch.long), torch.zeros(1, dtype=torch.long)],
        gt_pids=[torch.tensor([0, -1]), torch.tensor([NUM_PIDS - 1])],
    )
    outputs = wrap_model(model).train_step(data, None)
    outputs['loss'].backward()
    return outputs['log_vars'], {n: p.grad for n, p in model.named_parameters()}


def build(data, tmp_path, name='alignps', **options):
    config = tiny_config(data, tmp_path, model__bbox_head__reid_from='neck', **options)
    torch.manual_seed(0)
    return build_detector(config.model).train()


def test_bfloat16(data, tmp_path, updates):
    """Convolutions only: what they hand on, losses, gradients and memory are float32."""
    plain, bf16 = build(data, tmp_path), build(data, tmp_path)
    train_in_bfloat16(bf16)
    inside = {}
    for name, module in bf16.named_modules():
        if name in ('backbone.layer2.0.conv1', 'neck', 'bbox_head.conv_cls', 'bbox_head'):
            module.register_forward_hook(
                lambda module, args, out, name=name: inside.update({name: out})
            )
    expected, _ = step(plain)
    losses, grads = step(bf16)
    assert inside['backbone.layer2.0.conv1'].dtype == torch.bfloat16
    assert inside['bbox_head.conv_cls'].dtype == torch.bfloat16
    flat = [*inside['neck'], *(level for part in inside['bbox_head'] for level in part)]
    assert all(tensor.dtype == torch.float32 for tensor in flat)
    assert all(grad.dtype == torch.float32 for grad in grads.values())
    # bfloat16 keeps 8 bits: some percent after twenty layers, and not the same to the last bit.
    assert losses == pytest.approx(expected, rel=0.1, abs=0.05)
    assert losses != expected
    bf16.eval()
    plain.load_state_dict(bf16.state_dict())
    plain.eval()
    img = torch.randn(1, 3, 64, 96)
    assert torch.equal(bf16.extract_feat(img)[0], plain.extract_feat(img)[0])


def test_bfloat16_by_one_config_line(data, tmp_path, updates):
    cfg = tiny_config(data, tmp_path, runner__max_epochs=1, bf16=True)
    model = train(cfg, seed=0, validate=False)
    assert len(updates) == 5
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    seen = []
    model.train()
    model.backbone.conv1.register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    step(model)
    assert seen == [torch.bfloat16]


def test_activation_checkpointing(data, tmp_path, updates):
    """Same losses and gradients; the memory takes a batch in once."""
    # Batch norm would move its running statistics in both of its forward passes.
    eval_norm = dict(model__backbone__norm_eval=True)
    expected, expected_grads = step(build(data, tmp_path, **eval_norm))
    checkpointed = build(data, tmp_path, **eval_norm, model__backbone__with_cp=True)
    passes = []
    checkpointed.backbone.layer2[1].conv1.register_forward_hook(lambda *_: passes.append(1))
    losses, grads = step(checkpointed)
    assert len(passes) == 2
    assert len(updates) == 2
    assert losses == expected
    torch.testing.assert_close(grads, expected_grads)
