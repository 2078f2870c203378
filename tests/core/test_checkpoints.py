import argparse
import pickle

import pytest
import torch
from torch import nn

from mmdet_ps.core.checkpoints import (
    load_checkpoint_file,
    load_weights,
    newest_checkpoint,
    remove_leftovers,
    state_dict_of,
    write_checkpoint,
)


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


def test_plain_file(tmp_path):
    torch.save(dict(meta=dict(epoch=3), state_dict=dict(a=torch.ones(2))), tmp_path / 'a.pth')
    content = load_checkpoint_file(tmp_path / 'a.pth')
    assert content['meta'] == dict(epoch=3) and content['state_dict']['a'].tolist() == [1, 1]


@pytest.mark.parametrize('legacy', [False, True])
def test_code_is_refused(tmp_path, legacy):
    trace, path = tmp_path / 'trace', tmp_path / 'evil.pth'
    content = dict(state_dict=dict(a=torch.ones(1)), meta=Payload(str(trace)))
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match=r'asks for \w+\.open while it is read.*--trust'):
        load_checkpoint_file(path)
    assert not trace.exists()


def test_trust(tmp_path):
    torch.save(dict(meta=argparse.Namespace(epoch=3)), tmp_path / 'own.pth')
    with pytest.raises(ValueError, match='asks for argparse.Namespace'):
        load_checkpoint_file(tmp_path / 'own.pth')
    assert load_checkpoint_file(tmp_path / 'own.pth', trust=True)['meta'].epoch == 3


@pytest.mark.parametrize(
    'spoil', [lambda b: b[: len(b) // 2], lambda b: b'', lambda b: b'<html>not found</html>']
)
@pytest.mark.parametrize('trust', [False, True])
def test_broken_file(tmp_path, spoil, trust):
    path = tmp_path / 'a.pth'
    torch.save(dict(state_dict=dict(a=torch.ones(1000))), path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=r'a\.pth: truncated or no checkpoint'):
        load_checkpoint_file(path, trust)


def test_other_things(tmp_path):
    with pytest.raises(FileNotFoundError, match='absent.pth: no such checkpoint'):
        load_checkpoint_file(tmp_path / 'absent.pth')
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='holds a list'):
        load_checkpoint_file(tmp_path / 'list.pth')
    (tmp_path / 'results.pkl').write_bytes(pickle.dumps([dict(bboxes=1)]))
    with pytest.raises(ValueError, match='results.pkl'):
        load_checkpoint_file(tmp_path / 'results.pkl')


def test_state_dict_of():
    tensor = torch.ones(1)
    for content in ({'a': tensor}, {'state_dict': {'module.a': tensor}}, {'model': {'a': tensor}}):
        assert state_dict_of(content, 'f') == {'a': tensor}
    with pytest.raises(ValueError, match='f: .*epoch are no tensors'):
        state_dict_of({'epoch': 3}, 'f')
    with pytest.raises(ValueError, match='it is empty'):
        state_dict_of({'state_dict': {}}, 'f')


def test_load_weights(tmp_path):
    model, path = nn.Linear(2, 1), tmp_path / 'a.pth'
    weight = torch.tensor([[3.0, 4.0]])
    torch.save(dict(meta=dict(epoch=1), state_dict=dict(weight=weight, bias=torch.ones(1))), path)
    assert load_weights(model, path) == dict(epoch=1)
    assert torch.equal(model.weight, weight)


def test_load_weights_of_another_model(tmp_path):
    model, path = nn.Linear(2, 1), tmp_path / 'a.pth'
    before = model.weight.clone()
    torch.save(dict(state_dict=dict(weight=torch.ones(1, 3), gain=torch.ones(1))), path)
    with pytest.raises(ValueError) as caught:
        load_weights(model, path)
    assert str(caught.value) == (
        f'{path}: not a checkpoint of this config (missing: bias; not in the model: gain; '
        'of another shape: weight (1, 3) for (1, 2)); give the config that it was trained with'
    )
    assert torch.equal(model.weight, before)


def test_load_weights_of_a_published_file(tmp_path):
    torch.save({'bbox_head.labeled_matching_layer.lookup_table': torch.ones(1)}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='alignps_released.py'):
        load_weights(nn.Linear(2, 1), tmp_path / 'a.pth')


def saved(folder, name, iteration):
    content = dict(state_dict={}, meta=dict(epoch=1, iter=iteration))
    write_checkpoint(content, folder / name, 'latest.pth')
    return folder / name


def test_newest_is_the_file_that_came_farthest_and_no_link(tmp_path):
    """Whichever was written last, as a copied folder's files are."""
    farthest = saved(tmp_path, 'iter_5.pth', 5)
    saved(tmp_path, 'iter_3.pth', 3)
    (tmp_path / 'latest.pth').unlink()
    (tmp_path / 'latest.pth').symlink_to('iter_5.pth')
    assert newest_checkpoint(tmp_path) == farthest


def test_link_still_leads_somewhere_when_the_folder_has_moved(tmp_path):
    saved(tmp_path / 'run', 'iter_5.pth', 5)
    (tmp_path / 'run').rename(tmp_path / 'moved')
    assert (tmp_path / 'moved/latest.pth').resolve() == tmp_path / 'moved/iter_5.pth'


def test_leftovers_of_a_killed_writer_go_and_nothing_else(tmp_path):
    kept = [saved(tmp_path, 'iter_5.pth', 5), tmp_path / 'latest.pth', tmp_path / '.lock']
    kept[2].touch()
    (tmp_path / '.iter_6.pth.abc').touch()
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
