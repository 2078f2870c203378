import re

import pytest

from mmdet_ps.downloads import CATALOGUE, find_released
from mmdet_ps.models.converters import LAYOUTS, released_config

from ..models.converters.released import ROOT

CHECKPOINTS = [entry for entry in CATALOGUE.values() if not entry.holds]


def test_every_published_checkpoint_is_there_once():
    assert sorted(entry.layout for entry in CHECKPOINTS) == sorted(LAYOUTS)
    assert len({entry.drive_id for entry in CATALOGUE.values()}) == len(CATALOGUE) == 8
    assert all(name == entry.name for name, entry in CATALOGUE.items())


@pytest.mark.parametrize('entry', CHECKPOINTS, ids=lambda entry: entry.name)
def test_configs_are_there(entry):
    assert entry.config.is_file()
    assert entry.config == released_config(ROOT / 'configs' / 'released', entry.layout)


def test_model_zoo_says_what_could_not_be_tried():
    text = (ROOT / 'docs' / 'model_zoo.md').read_text()
    table = dict(re.findall(r'^\| `([\w-]+)` \| .* \| ([\w-]+) \|$', text, re.MULTILINE))
    assert table == {name: entry.drive_id for name, entry in CATALOGUE.items()}
    assert 'could not be tried' in text


def test_not_fetched(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        find_released('alignps_r50_prw', tmp_path)
    assert str(caught.value).endswith(
        f'fetch it with python tools/download.py alignps_r50_prw --to {tmp_path}'
    )
    with pytest.raises(FileNotFoundError, match=re.escape(str(ROOT / 'checkpoints'))):
        find_released('alignps_r50_cuhk')


@pytest.mark.parametrize('name', ['alignps', 'prw', '../alignps_r50_prw'])
def test_no_such_checkpoint(name, tmp_path):
    with pytest.raises(FileNotFoundError, match='there are alignps_r50_cuhk, alignps-dcn_r50_cuhk'):
        find_released(name, tmp_path)
