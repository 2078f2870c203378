"""Backbones from local files, each layout written here from one set of weights."""

import pickle

import numpy as np
import pytest
import torch
import torchvision
from mmdet.models import build_backbone, build_shared_head

import mmdet_ps.models  # noqa: F401
from mmdet_ps.models import pretrained


@pytest.fixture(scope='module')
def imagenet():
    """torchvision's resnet50, with statistics that are not those of a fresh network."""
    torch.manual_seed(0)
    state = torchvision.models.resnet50().state_dict()
    return {
        name: torch.rand_like(value) + 0.5 if '.running_' in name or 'bn' in name else value
        for name, value in state.items()
        if not name.endswith('num_batches_tracked')
    }


def backbone(checkpoint, **kwargs):
    init_cfg = dict(type='Pretrained', checkpoint=str(checkpoint)) | kwargs.pop('init', {})
    cfg = dict(type='ResNet', depth=50, style='caffe', norm_cfg=dict(type='BN')) | kwargs
    return build_backbone(cfg | dict(init_cfg=init_cfg))


def assert_loaded(model, state):
    for name, tensor in model.state_dict().items():
        if not name.endswith(('num_batches_tracked', 'conv_offset.weight', 'conv_offset.bias')):
            assert torch.equal(tensor, state[name]), name


def to_detectron2(name):
    """torchvision's name -> detectron2's, worked from the modules rather than by patterns."""
    if name.startswith('fc.'):
        return f'stem.{name}'
    *place, module, leaf = name.split('.')
    if place and place[-1] == 'downsample':
        place, module = place[:-1], 'shortcut' if module == '0' else 'shortcut.norm'
    module = module.replace('bn', 'conv') + '.norm' if module.startswith('bn') else module
    where = f'res{int(place[0][-1]) + 1}.{place[1]}' if place else 'stem'
    return f'{where}.{module}.{leaf}'


def test_torchvision(imagenet, tmp_path):
    torch.save(imagenet, tmp_path / 'resnet50.pth')
    model = backbone(tmp_path / 'resnet50.pth', style='pytorch')
    model.init_weights()
    assert_loaded(model, imagenet)
    image = torch.rand(1, 3, 64, 64)
    theirs = torchvision.models.resnet50()
    theirs.load_state_dict(imagenet, strict=False)
    model.eval()
    theirs.eval()
    with torch.no_grad():
        x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(image))))
        for layer in (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
            x = layer(x)
        assert torch.allclose(model(image)[-1], x, rtol=1e-4, atol=1e-4 * float(x.abs().max()))


def test_mmcv_layout_with_prefix_and_deformable_layers(imagenet, tmp_path):
    state = {f'backbone.{name}': value for name, value in imagenet.items()}
    torch.save(dict(state_dict=state), tmp_path / 'caffe.pth')
    model = backbone(
        tmp_path / 'caffe.pth',
        init=dict(prefix='backbone.'),
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
    )
    model.init_weights()
    assert_loaded(model, imagenet)
    assert not model.layer2[0].conv2.conv_offset.weight.any()


@pytest.mark.parametrize('protocol', [2, 4])
def test_detectron2(imagenet, tmp_path, protocol):
    arrays = {to_detectron2(name): value.numpy() for name, value in imagenet.items()}
    assert 'res2.0.shortcut.norm.running_var' in arrays and 'stem.conv1.norm.bias' in arrays
    content = dict(model=arrays, __author__='torchvision', matching_heuristics=True)
    (tmp_path / 'R-50.pkl').write_bytes(pickle.dumps(content, protocol))
    model = backbone(tmp_path / 'R-50.pkl')
    model.init_weights()
    assert_loaded(model, imagenet)


def test_caffe2(imagenet, tmp_path):
    """Scale and shift alone: the normalisation does just that."""
    blobs = {}
    for name, value in imagenet.items():
        *place, module, leaf = to_detectron2(name).split('.')
        if leaf.startswith('running') or module == 'fc':
            continue
        suffix = {'weight': 'bn_s', 'bias': 'bn_b'}[leaf] if module == 'norm' else 'w'
        conv = (place + [module])[-2 if module == 'norm' else -1]
        branch = dict(shortcut='1', conv1='2a', conv2='2b', conv3='2c')[conv]
        stem = place[0] == 'stem'
        key = f'{place[0]}_{place[1]}_branch{branch}' if not stem else 'conv1'
        key = f'res_{key}' if stem and suffix != 'w' else key
        blobs[f'{key}_{suffix}'] = value.numpy()
    blobs['fc1000_w'] = np.zeros((1000, 2048), np.float32)
    assert {'conv1_w', 'res_conv1_bn_s', 'res2_0_branch1_bn_b', 'res5_2_branch2c_w'} <= set(blobs)
    (tmp_path / 'MSRA.pkl').write_bytes(pickle.dumps(dict(blobs=blobs), 2))
    model = backbone(tmp_path / 'MSRA.pkl')
    model.init_weights()
    assert torch.equal(model.layer3[5].conv2.weight, imagenet['layer3.5.conv2.weight'])
    norm = model.layer1[0].downsample[1].eval()
    x = torch.rand(1, 256, 2, 2)
    scale, shift = (imagenet[f'layer1.0.downsample.1.{leaf}'] for leaf in ('weight', 'bias'))
    assert torch.allclose(norm(x), x * scale[:, None, None] + shift[:, None, None], atol=1e-6)


def test_stage_of_a_roi_branch(imagenet, tmp_path):
    torch.save(imagenet, tmp_path / 'r50.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'r50.pth'))
    head = build_shared_head(dict(type='RoIResLayer', depth=50, stage=3, init_cfg=init_cfg))
    head.init_weights()
    assert_loaded(head, imagenet)


@pytest.mark.parametrize(
    'spoil, said',
    [
        (lambda state: {f'encoder.{k}': v for k, v in state.items()}, 'and 260 more'),
        (lambda state: state | {'conv1.weight': torch.ones(64, 4, 7, 7)}, r'\(64, 4, 7, 7\) for'),
    ],
)
def test_weights_that_do_not_fit(imagenet, tmp_path, spoil, said):
    torch.save(spoil(imagenet), tmp_path / 'r50.pth')
    model = backbone(tmp_path / 'r50.pth')
    with pytest.raises(ValueError, match=said):
        model.init_weights()


def test_unreadable_files(tmp_path):
    (tmp_path / 'broken.pkl').write_bytes(b'\x80\x02}q')
    (tmp_path / 'list.pkl').write_bytes(pickle.dumps([1]))
    (tmp_path / 'empty.pkl').write_bytes(pickle.dumps(dict(model={})))
    for name, error, said in (
        ('absent.pth', FileNotFoundError, 'no such file'),
        ('broken.pkl', ValueError, 'truncated'),
        ('list.pkl', ValueError, 'holds a list'),
        ('empty.pkl', ValueError, 'no arrays'),
    ):
        with pytest.raises(error, match=said):
            pretrained.read_backbone(str(tmp_path / name))


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


def test_a_pickle_cannot_run_code(tmp_path):
    trace = tmp_path / 'trace'
    content = dict(model=dict(a=Payload(str(trace))))
    (tmp_path / 'evil.pkl').write_bytes(pickle.dumps(content, 2))
    with pytest.raises(ValueError, match='asks for .*open while it is read: refused'):
        pretrained.read_backbone(str(tmp_path / 'evil.pkl'))
    assert not trace.exists()


def test_default_weights_that_cannot_be_fetched(tmp_path, monkeypatch):
    def unreachable(url, *args, **kwargs):
        raise OSError('no route')

    monkeypatch.setattr(torch.hub, 'download_url_to_file', unreachable)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    name = 'open-mmlab://detectron2/resnet50_caffe'
    with pytest.raises(FileNotFoundError, match='resnet50_msra.*init_cfg.checkpoint=FILE'):
        pretrained.read_backbone(name)
    with pytest.raises(ValueError, match='no weights of that name'):
        pretrained.read_backbone('open-mmlab://detectron2/resnet51')


def test_fetched_weights_are_kept(imagenet, tmp_path, monkeypatch):
    asked = []

    def download(url, path, progress):
        asked.append(url)
        torch.save(imagenet, path)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    for _ in range(2):
        assert set(pretrained.read_backbone('https://host/r50.pth')) == set(imagenet)
    assert asked == ['https://host/r50.pth']
