import os

import numpy as np
import pytest

from mmdet_ps.core.evaluation import (
    CuhkSysuProtocol,
    PrwProtocol,
    SearchProtocol,
    load_protocols,
    protocol_file,
)

from ...releases.official import write_cuhk, write_prw
from .cases import open_protocol


@pytest.fixture
def cuhk(tmp_path):
    return write_cuhk(tmp_path / 'cuhk')


@pytest.fixture
def prw(tmp_path):
    return write_prw(tmp_path / 'prw')


def test_cuhk_is_read_once(cuhk, monkeypatch):
    first = load_protocols(cuhk, [50, 'G100', '100', 'all'])
    assert [protocol.name for protocol in first] == ['G50', 'G100', 'G100', 'all']
    assert sorted(os.listdir(cuhk / 'protocol')) == ['G100.npz', 'G50.npz', 'all.npz']
    monkeypatch.setattr(CuhkSysuProtocol, 'from_mat', None)
    again = load_protocols(cuhk, [50, 100, 'all'])
    assert [type(protocol) for protocol in again] == [CuhkSysuProtocol] * 3
    np.testing.assert_array_equal(again[0].gallery_images, first[0].gallery_images)


def test_newer_release_is_read_again(cuhk):
    load_protocols(cuhk, 50)
    kept = protocol_file(cuhk, 'G50')
    mat = cuhk / 'annotation' / 'test' / 'train_test' / 'TestG50.mat'
    os.utime(kept, (1, 1))
    load_protocols(cuhk, 50)
    assert kept.stat().st_mtime >= mat.stat().st_mtime


def test_prw(prw, monkeypatch):
    names = [protocol.name for protocol in load_protocols(prw, ['same', 'cross', 'all'])]
    assert names == ['same', 'cross', 'all']
    monkeypatch.setattr(PrwProtocol, 'from_release', None)
    assert type(load_protocols(prw)[0]) is PrwProtocol


def test_compact_files_alone(tmp_path):
    protocol = open_protocol(np.random.default_rng(0), 4, 2, 'all')
    protocol.save(tmp_path / 'mine.npz')
    assert load_protocols(tmp_path, 'mine')[0].image_names == protocol.image_names
    protocol.save(protocol_file(tmp_path / 'other', 'all'))
    assert type(load_protocols(tmp_path / 'other')[0]) is SearchProtocol


def test_unknown_lists_what_exists(cuhk, prw):
    with pytest.raises(ValueError, match=r'gallery 70 is unknown; .* has G50, G100, all'):
        load_protocols(cuhk, [50, 70])
    with pytest.raises(ValueError, match=r"gallery 'G100' is unknown; .* has all, cross, same"):
        load_protocols(prw, 'G100')


def test_nothing_there_is_told(tmp_path, cuhk):
    with pytest.raises(FileNotFoundError, match='no search protocol under'):
        load_protocols(tmp_path / 'none')
    for path in (cuhk / 'annotation' / 'test' / 'train_test').glob('TestG*'):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r'train_test has no TestG\*.mat'):
        load_protocols(cuhk, 100)


def test_folder_that_cannot_be_written_is_no_error(cuhk):
    (cuhk / 'protocol').write_text('a file where the folder should be')
    with pytest.warns(UserWarning, match='cannot be written'):
        [protocol] = load_protocols(cuhk, 50)
    assert protocol.name == 'G50'
