import torch
from mmcv.parallel import DataContainer
from torch import nn

from mmdet_ps.core.parallel import to_device, wrap_model


def test_to_device_unpacks():
    value = torch.arange(3)
    batch = dict(
        img=DataContainer([value]),
        metas=DataContainer([[dict(name='a.jpg')]], cpu_only=True),
        pair=(value, [value]),
        number=4,
    )
    found = to_device(batch, torch.device('cpu'))
    assert torch.equal(found['img'], value)
    assert found['metas'] == [dict(name='a.jpg')]
    assert isinstance(found['pair'], tuple) and torch.equal(found['pair'][1][0], value)
    assert found['number'] == 4


def test_to_device_moves():
    found = to_device([DataContainer([torch.zeros(2)])], torch.device('meta'))
    assert found[0].device.type == 'meta'


class Doubler(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, img, **kwargs):
        return img * self.weight

    def train_step(self, data, optimizer):
        return self(data['img'])


def test_wrapped_model_takes_containers():
    model = wrap_model(Doubler())
    img = DataContainer([torch.ones(2, device='cpu')])
    assert model.train_step(dict(img=img), None).tolist() == [2, 2]
    assert model(img=img).tolist() == [2, 2]
