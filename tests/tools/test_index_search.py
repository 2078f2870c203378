"""tools/index.py and tools/search.py from the command line, in this process."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from mmdet_ps.apis import PersonSearcher

from ..apis.test_searcher import CONFIG, scene, weights
from ..gallery.stub import write_video
from .test_train_test_cli import TOOLS, call, refused

pytest.importorskip('lancedb')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return CONFIG, weights(tmp_path_factory.mktemp('weights') / 'a.pth')


@pytest.fixture(scope='module')
def place(tmp_path_factory, model):
    """Pictures of two cameras, indexed."""
    root = tmp_path_factory.mktemp('place')
    for n in range(4):
        folder = root / ('north' if n % 2 else 'south')
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f'{n}.png'), scene(n))
    for camera in ('north', 'south'):
        options = ['--gallery', root / 'people', '--camera', camera, '--device', 'cpu']
        call('index.py', *model, root / camera, *options, '--min-score', 0)
    return root


def search(model, place, picture, *options):
    call('search.py', *model, picture, '--gallery', place / 'people', *options)


def test_index_says_what_it_did_and_passes_what_is_there(model, place, capsys):
    options = ['--gallery', place / 'people', '--camera', 'north', '--min-score', 0]
    call('index.py', *model, place / 'north', *options)
    out = capsys.readouterr().out
    assert '0 sources, 0 pictures, 0 people' in out and '2 unchanged; ' in out
    assert out.rstrip().endswith('people in all')


def test_a_box_finds_itself_and_everything_is_written(model, place, tmp_path, capsys):
    hits_json, hits_csv, sheet = (tmp_path / name for name in ('h.json', 'h.csv', 'h.png'))
    person = 1
    search(
        model, place, place / 'north' / '1.png', '--person', person, '--top', 3,
        '--json', hits_json, '--csv', hits_csv, '--picture', sheet,
    )  # fmt: skip
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0] == 'person 1'
    assert lines[1].split() == ['rank', 'similarity', 'source', 'time', 'camera']
    assert len(lines) == 5
    rank, similarity, source, camera = lines[2].split()
    assert (rank, source, camera) == ('1', str(place / 'north' / '1.png'), 'north')
    assert float(similarity) > 0.998
    rows = json.loads(hits_json.read_text())
    assert [row['rank'] for row in rows] == [1, 2, 3] and rows[0]['source'] == source
    with open(hits_csv, newline='') as stream:
        table = list(csv.DictReader(stream))
    assert [row['id'] for row in table] == [row['id'] for row in rows]
    assert cv2.imread(str(sheet)) is not None
    x1, y1, x2, y2 = rows[0]['box']
    box = ['--box', x1, y1, x2 - x1, y2 - y1]
    search(model, place, place / 'north' / '1.png', *box, '--top', 1, '--json', hits_json)
    assert 'the person in the box' in capsys.readouterr().out
    assert json.loads(hits_json.read_text())[0]['person'] is None


def test_everybody_is_searched_without_a_choice(model, place, tmp_path, capsys):
    picture = place / 'south' / '0.png'
    score = float(PersonSearcher(*model, 'cpu').find(picture).scores[2])
    search(
        model, place, picture, '--min-score', score - 1e-6, '--top', 2,
        '--picture', tmp_path / 'h.jpg',
    )  # fmt: skip
    out = capsys.readouterr().out
    people = out.count('\nperson ')
    assert people == 3 and len(list(tmp_path.glob('h_*.jpg'))) == 3


def test_filters_and_appearances(model, place, capsys):
    picture = place / 'south' / '0.png'
    search(model, place, picture, '--person', 0, '--camera', 'north')
    out = capsys.readouterr().out
    assert 'north' in out and '/south/' not in out
    search(model, place, picture, '--person', 0, '--source', '2.png', '--min-similarity', -1)
    assert set(line.split()[2] for line in capsys.readouterr().out.splitlines()[3:]) == {
        str(place / 'south' / '2.png')
    }
    search(model, place, picture, '--person', 0, '--from', '0:10')
    assert 'nobody found' in capsys.readouterr().out
    search(model, place, picture, '--person', 0, '--together', 5, '--top', 4)
    assert capsys.readouterr().out.splitlines()[2].split() == [
        'rank', 'similarity', 'source', 'from', 'to', 'best', 'hits', 'camera'
    ]  # fmt: skip


def test_bad_input_is_one_line(model, place, tmp_path, capsys):
    good = place / 'south' / '0.png'
    (tmp_path / 'text.jpg').write_text('no picture')
    (tmp_path / 'folder.jpg').mkdir()
    other = weights(tmp_path / 'other.pth', seed=5)

    def index(*arguments, weights=model[1]):
        return refused(capsys, 'index.py', model[0], weights, *arguments)

    def looked(picture, *arguments, gallery=place / 'people', weights=model[1]):
        return refused(
            capsys, 'search.py', model[0], weights, picture, '--gallery', gallery, *arguments
        )

    new = ['--gallery', tmp_path / 'new']
    assert 'gone.jpg: no such file or folder' in index('gone.jpg', *new)
    assert 'no picture and no video' in index(tmp_path / 'folder.jpg', *new)
    assert not (tmp_path / 'new').exists()
    assert 'none of the sources could be read' in index(tmp_path / 'text.jpg', *new)
    assert 'every=-1.0' in index(good, *new, '--every', -1)
    assert 'soon: not a time' in index(good, *new, '--start', 'soon')
    assert 'device tpu' in index(good, *new, '--device', 'tpu')
    assert 'batch=0' in index(good, *new, '--batch', 0)
    assert 'is a file' in index(good, '--gallery', tmp_path / 'text.jpg')
    of_place = ['--gallery', place / 'people']
    assert 'of another model' in index(good, *of_place, weights=other)
    assert 'of another model' in looked(good, weights=other)
    assert 'no gallery' in looked(good, gallery=tmp_path / 'none')
    assert not (tmp_path / 'none').exists()
    assert 'not a picture' in looked(tmp_path / 'text.jpg')
    assert 'Is a directory' in looked(tmp_path / 'folder.jpg')
    assert '--person 999' in looked(good, '--person', 999)
    assert 'outside the picture' in looked(good, '--box', 999, 0, 5, 5)
    assert 'no person is found' in looked(good, '--min-score', 1)
    assert 'top=0' in looked(good, '--person', 0, '--top', 0)
    assert 'must end in .json' in looked(good, '--json', tmp_path / 'h.txt')
    assert 'a picture ends in' in looked(good, '--person', 0, '--picture', tmp_path / 'h.txt')
    assert 'is a folder' in looked(good, '--csv', tmp_path)
    assert '--together -1' in looked(good, '--together', -1)
    assert 'soon: not a time' in looked(good, '--person', 0, '--from', 'soon')


def test_without_lancedb_one_line_says_how_to_install_it(model, place, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'lancedb', None)
    line = refused(capsys, 'index.py', *model, place / 'south', '--gallery', place / 'people')
    assert "pip install 'mmdet_ps[gallery]'" in line


@pytest.mark.slow
def test_sigterm_keeps_what_was_found(model, tmp_path):
    write_video(tmp_path / 'v.avi', [1 + n % 13 for n in range(3000)])
    arguments = [*model, tmp_path / 'v.avi', '--gallery', tmp_path / 'g', '--every', 0]
    run = subprocess.Popen(
        [sys.executable, TOOLS / 'index.py', *map(str, arguments), '--min-score', '0'],
        cwd=Path(TOOLS).parent,
        env=os.environ | {'PYTHONPATH': str(Path(TOOLS).parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / 'g' / 'sources.lance').exists() and run.poll() is None:
        time.sleep(0.05)
    time.sleep(2)
    run.send_signal(signal.SIGTERM)
    said, error = run.communicate(timeout=60)
    assert run.returncode == 0 and 'stopped' in said, error
    from mmdet_ps.gallery import Gallery

    source = Gallery(tmp_path / 'g').sources()[0]
    assert not source.whole and 0 < source.pictures < 3000
