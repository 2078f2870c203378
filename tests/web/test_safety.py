import os

import cv2
import numpy as np
import pytest

from mmdet_ps.web.pictures import fit
from mmdet_ps.web.safety import accounts_for
from mmdet_ps.web.uploads import keep_upload


def test_other_machines_need_accounts(tmp_path):
    assert accounts_for('127.0.0.1', None) is accounts_for('localhost', None) is None
    for host in ('0.0.0.0', '192.0.2.7', '::', 'example.org'):
        with pytest.raises(ValueError, match=f'--host {host}: other machines .* --auth FILE'):
            accounts_for(host, None)
    (tmp_path / 'who').write_text('ann:a:b\n\nbob:c\n')
    assert accounts_for('0.0.0.0', tmp_path / 'who') == [('ann', 'a:b'), ('bob', 'c')]


@pytest.mark.parametrize('text', ['', 'ann\n', ':secret\n', 'ann:\n', 'ann:1\nann:2\n'])
def test_a_file_of_accounts_that_is_none(tmp_path, text):
    (tmp_path / 'who').write_text(text)
    with pytest.raises(ValueError, match='who'):
        accounts_for('127.0.0.1', tmp_path / 'who')


def test_uploads_stay_in_their_folder(tmp_path):
    sent = tmp_path / 'sent'
    sent.mkdir()
    for n, name in enumerate(['..%2f..%2fx.png', '.png.png', 'a b;c.JPG', 'x' * 200 + '.mp4']):
        (sent / name).write_bytes(bytes([n]) * 9)
        kept = keep_upload(sent / name, tmp_path / 'uploads')
        assert kept.parent == tmp_path / 'uploads' and kept.read_bytes() == bytes([n]) * 9
        assert kept == keep_upload(sent / name, tmp_path / 'uploads')
    assert len(os.listdir(tmp_path / 'uploads')) == 4
    (sent / 'run.sh').touch()
    with pytest.raises(ValueError, match=r'run\.sh: neither a picture nor a video'):
        keep_upload(sent / 'run.sh', tmp_path / 'uploads')


def test_other_content_never_takes_the_place_of_a_file(tmp_path):
    for content in (b'one', b'two'):
        (tmp_path / 'a.png').write_bytes(content)
        assert keep_upload(tmp_path / 'a.png', tmp_path / 'kept').read_bytes() == content
    assert len(os.listdir(tmp_path / 'kept')) == 2


@pytest.mark.parametrize('enlarge, size', [(False, (40, 20)), (True, (80, 40))])
def test_scenes_are_enlarged_and_cards_are_not(enlarge, size):
    picture = np.random.default_rng(0).integers(0, 256, (20, 40, 3), np.uint8)
    shown, scale = fit(picture, 80, enlarge)
    assert shown.shape[1::-1] == size and scale == size[0] / 40
    small, scale = fit(picture, 10, enlarge)
    assert small.shape == (5, 10, 3) and scale == 0.25
    assert np.array_equal(small, cv2.resize(picture, (10, 5), interpolation=cv2.INTER_AREA))
