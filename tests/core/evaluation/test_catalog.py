import os

import numpy as np
import pytest

from mmdet_ps.core.evaluation import load_protocols, protocol_file
from mmdet_ps.core.evaluation.catalog import checksum

from .cases import open_protocol

CONVERTER = r'python tools/dataset_converters/\{cuhk_sysu,prw\}.py'


def protocol(name='all', cameras='all'):
    made = open_protocol(np.random.default_rng(0), 4, 2, cameras)
    made.name = name
    return made


@pytest.fixture
def root(tmp_path):
    for name in ('G50', 'G100', 'all'):
        protocol(name).save(protocol_file(tmp_path, name))
    return tmp_path


def test_one_or_several_by_any_of_their_names(root):
    assert [found.name for found in load_protocols(root)] == ['all']
    assert [found.name for found in load_protocols(root, 50)] == ['G50']
    names = [found.name for found in load_protocols(root, ['G100', '100', 100, 'all'])]
    assert names == ['G100', 'G100', 'G100', 'all']


def test_files_beside_the_root(tmp_path):
    protocol('mine').save(tmp_path / 'mine.npz')
    assert load_protocols(tmp_path, 'mine')[0].name == 'mine'


def test_what_is_not_there_is_told_with_the_command(root):
    (root / 'annotation' / 'test' / 'train_test').mkdir(parents=True)
    (root / 'annotation' / 'test' / 'train_test' / 'TestG70.mat').touch()
    with pytest.raises(
        ValueError, match=rf'gallery 70 is unknown, there are G100, G50, all; .*{CONVERTER} .*force'
    ):
        load_protocols(root, [50, 70])
    with pytest.raises(FileNotFoundError, match=rf'none: no search protocol .*{CONVERTER} .*none'):
        load_protocols(root / 'none')


def test_a_protocol_of_another_official_file_is_refused(root):
    """It is the content that counts: touching or copying a file makes no other protocol of it."""
    testg = root / 'annotation' / 'TestG50.mat'
    testg.parent.mkdir()
    testg.write_bytes(b'official')
    made = protocol('G50')
    made.sources = {'annotation/TestG50.mat': checksum(testg)}
    made.save(protocol_file(root, 'G50'))
    os.utime(testg, (2**31, 2**31))
    assert load_protocols(root, 50)[0].sources == made.sources
    testg.write_bytes(b'another one')
    os.utime(testg, (1, 1))
    with pytest.raises(
        ValueError, match=rf'G50.npz: was made of another annotation/TestG50.mat .*{CONVERTER}'
    ):
        load_protocols(root, [100, 50])
    testg.unlink()  # a copy of the converted files alone
    assert load_protocols(root, 50)[0].name == 'G50'
