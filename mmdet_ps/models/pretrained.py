"""Initialise a backbone from an ImageNet checkpoint, and know that it happened.

Files may be those of torchvision or mmcv, whose names are mmdet's own, or detectron2's pickles
with its own names (``res2.0.conv1.norm.weight``) or Caffe2's (``res2_0_branch2a_bn_s``).
"""

import re
from http.client import HTTPException
from pathlib import Path

import torch
from mmcv.cnn import INITIALIZERS, PretrainedInit
from mmcv.cnn.utils.weight_init import update_init_info
from mmcv.runner.checkpoint import get_external_models, get_torchvision_models
from torch import Tensor, nn

from mmdet_ps.core.checkpoints import listed, load_checkpoint_file, misfits, state_dict_of
from mmdet_ps.models.detectron2_pickle import read_arrays

# What no ImageNet checkpoint has: offsets of deformable convolutions start at zero.
_OWN_START = re.compile(r'(^|\.)(conv_offset\.(weight|bias)|num_batches_tracked)$')

_CAFFE2_LEAVES = {
    'w': 'weight',
    'b': 'bias',
    'bn_s': 'norm.weight',
    'bn_b': 'norm.bias',
    'bn_rm': 'norm.running_mean',
    'bn_riv': 'norm.running_var',
}
_CAFFE2_BRANCHES = {'1': 'shortcut', '2a': 'conv1', '2b': 'conv2', '2c': 'conv3'}
_BN_EPS = 1e-5


def _from_caffe2(name: str) -> str:
    """``res2_0_branch2a_bn_s`` -> ``res2.0.conv1.norm.weight``; other names stay."""
    stem = re.fullmatch(r'(?:res_)?conv1_(w|b|bn_\w+)', name)
    if stem and stem[1] in _CAFFE2_LEAVES:
        return f'stem.conv1.{_CAFFE2_LEAVES[stem[1]]}'
    block = re.fullmatch(r'res(\d)_(\d+)_branch(1|2a|2b|2c)_(w|b|bn_\w+)', name)
    if block and block[4] in _CAFFE2_LEAVES:
        stage, number, branch, leaf = block.groups()
        return f'res{stage}.{number}.{_CAFFE2_BRANCHES[branch]}.{_CAFFE2_LEAVES[leaf]}'
    return name


def _from_detectron2(name: str) -> str:
    """``res2.0.conv1.norm.weight`` -> ``layer1.0.bn1.weight``; other names stay."""
    block = re.fullmatch(r'(stem|res(\d)\.(\d+))\.(conv\d|shortcut)\.(norm\.)?(\w+)', name)
    if not block:
        return name
    where, stage, number, conv, norm, leaf = block.groups()
    place = '' if where == 'stem' else f'layer{int(stage) - 1}.{number}.'
    if conv == 'shortcut':
        return f'{place}downsample.{1 if norm else 0}.{leaf}'
    return f'{place}{conv.replace("conv", "bn") if norm else conv}.{leaf}'


def from_detectron2(path: Path) -> dict[str, Tensor]:
    """Read a detectron2 or Caffe2 backbone under the names of mmdet.

    Args:
        path: See `read_arrays`.

    Returns:
        Tensors by name. Where the file holds batch normalisation as scale and shift alone, mean
        and variance are those with which it does just that.

    Raises:
        ValueError: Where it cannot be read, or there are no arrays in it.
    """
    state = {
        _from_detectron2(_from_caffe2(name)): torch.from_numpy(array)
        for name, array in read_arrays(path)
    }
    if not state:
        raise ValueError(f'{path}: no arrays in it, so no detectron2 backbone')
    for name in list(state):
        norm = re.fullmatch(r'(.*(?:bn\d|downsample\.1)\.)weight', name)
        if norm:
            mean = torch.zeros_like(state[name])
            state.setdefault(f'{norm[1]}running_mean', mean)
            state.setdefault(f'{norm[1]}running_var', mean + 1 - _BN_EPS)
    return state


def _fetch(name: str) -> Path:
    """Download what mmcv knows as ``open-mmlab://...``, ``torchvision://...``, or a URL, once."""
    scheme, _, rest = name.partition('://')
    catalogues = {'open-mmlab': get_external_models, 'torchvision': get_torchvision_models}
    url = catalogues[scheme]().get(rest, '') if scheme in catalogues else name
    if not url.startswith(('http://', 'https://')):
        raise ValueError(
            f'{name}: no weights of that name are known; init_cfg.checkpoint takes a file, '
            'open-mmlab://NAME, torchvision://NAME, or a URL of http or https'
        )
    path = Path(torch.hub.get_dir(), 'checkpoints', url.rsplit('/', 1)[-1])
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), progress=False)
        except (OSError, HTTPException) as error:
            raise FileNotFoundError(
                f'{name} cannot be fetched ({error}): download {url} elsewhere and give the file '
                'with --cfg-options model.backbone.init_cfg.checkpoint=FILE (a RoI branch also has '
                'model.roi_head.shared_head.init_cfg.checkpoint)'
            ) from None
    return path


def read_backbone(name: str) -> dict[str, Tensor]:
    """Read backbone weights.

    Args:
        name: A local ``.pth`` of torchvision or mmcv, a local ``.pkl`` of detectron2, or a name
            that mmcv resolves (``open-mmlab://...``, ``torchvision://...``, http or https).

    Returns:
        Tensors by mmdet's names.

    Raises:
        FileNotFoundError: Without such a file, or where it cannot be fetched.
        ValueError: Where it cannot be read without running code, or holds no tensors.
    """
    path = _fetch(name) if '://' in name else Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f'{name}: no such file of backbone weights; give one as init_cfg.checkpoint'
        )
    if path.suffix != '.pkl':
        return state_dict_of(load_checkpoint_file(path), path)
    return from_detectron2(path)


@INITIALIZERS.register_module('Pretrained', force=True)
class Pretrained(PretrainedInit):
    """mmcv's initialiser of that name, which ends in an error where tensors were left unloaded.

    Every tensor of the module must be in the file with its shape, but for offsets of deformable
    convolutions and counters of batches; what else the file holds (a classifier, stages that the
    module lacks) is passed over. Files are read without running code that they bring.

    Args:
        checkpoint: See `read_backbone`.
        prefix: Of the names in the file that belong to the module, ``'backbone.'`` say.
        map_location: Not used; tensors are copied to where the module is.

    Note:
        It takes mmcv's place under the name ``'Pretrained'``, so that mmdet's own tools have it
        too: mmcv's only logs what it did not find, and a backbone that stays random gives a wrong
        number without an error.
    """

    def __call__(self, module: nn.Module) -> None:
        """Load into ``module``.

        Raises:
            FileNotFoundError: See `read_backbone`.
            ValueError: See `read_backbone`; and where tensors are missing or of another shape.
        """
        state = read_backbone(self.checkpoint)
        if self.prefix:
            start = self.prefix.rstrip('.') + '.'
            state = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
        target = module.state_dict()
        missing = [name for name in target if name not in state and not _OWN_START.search(name)]
        wrong = misfits(state, target)
        if missing or wrong:
            raise ValueError(
                f'{self.checkpoint}: does not fit {type(module).__name__}, '
                f'missing or of another shape: {listed(missing + wrong)}; give weights of the same '
                'depth and width as init_cfg.checkpoint, or set init_cfg=None to start at random'
            )
        module.load_state_dict({k: v for k, v in state.items() if k in target}, strict=False)
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())
