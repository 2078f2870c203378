import os

import pytest

from mmdet_ps.gallery.sources import expand_sources

from .stub import write_picture, write_video


def names(found, root):
    return [os.path.relpath(source.name, root) for source in found]


@pytest.fixture
def tree(tmp_path):
    write_picture(tmp_path / 'b.jpg', 1)
    write_picture(tmp_path / 'a' / 'deep' / 'c.PNG', 1)
    write_video(tmp_path / 'a' / 'v.avi', [1, 2])
    write_picture(tmp_path / '.hidden' / 'x.jpg', 1)
    write_picture(tmp_path / '.y.jpg', 1)
    (tmp_path / 'notes.txt').write_text('no picture')
    (tmp_path / 'folder.jpg').mkdir()
    write_picture(tmp_path / 'folder.jpg' / 'd.bmp', 1)
    return tmp_path


def test_a_folder_is_gone_through_in_order_without_what_is_hidden(tree):
    found = expand_sources(tree)
    assert names(found, tree) == ['b.jpg', 'a/v.avi', 'a/deep/c.PNG', 'folder.jpg/d.bmp']
    assert [source.kind for source in found] == ['picture', 'video', 'picture', 'picture']


def test_globs_take_files_and_folders(tree):
    assert names(expand_sources(f'{tree}/**/*.PNG'), tree) == ['a/deep/c.PNG']
    assert names(expand_sources(f'{tree}/[ab]'), tree) == ['a/v.avi', 'a/deep/c.PNG']
    with pytest.raises(FileNotFoundError, match='nothing fits'):
        expand_sources(f'{tree}/*.webp')
    with pytest.raises(ValueError, match='no picture and no video fits'):
        expand_sources(f'{tree}/*.txt')


def test_each_source_is_there_once_under_its_absolute_path(tree, monkeypatch):
    monkeypatch.chdir(tree)
    found = expand_sources(['b.jpg', str(tree / 'b.jpg'), 'a/../b.jpg', '*.jpg'])
    assert names(found, tree) == ['b.jpg', 'folder.jpg/d.bmp']


def test_named_files_may_end_as_they_like(tree):
    os.rename(tree / 'b.jpg', tree / 'still.tmp')
    os.rename(tree / 'a' / 'v.avi', tree / 'film.tmp')
    found = expand_sources([tree / 'still.tmp', tree / 'film.tmp'])
    assert [source.kind for source in found] == ['picture', 'video']


def test_streams_and_cameras(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = expand_sources(['rtsp://me:secret@host:554/a?b=1', 0, '2'])
    assert [source.kind for source in found] == ['stream'] * 3
    assert [source.name for source in found] == ['rtsp://host:554/a?b=1', 'camera:0', 'camera:2']
    assert [source.address for source in found] == ['rtsp://me:secret@host:554/a?b=1', 0, 2]
    write_picture(tmp_path / '2' / 'a.jpg', 1)
    assert names(expand_sources('2'), tmp_path) == ['2/a.jpg']


@pytest.mark.parametrize('given', ['gone.jpg', 'gone/', '-1'])
def test_what_is_missing_is_named(given):
    with pytest.raises(FileNotFoundError, match=f'{given}: no such file or folder'):
        expand_sources(given)


def test_nothing_to_add_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='no source is given'):
        expand_sources([])
    with pytest.raises(ValueError, match='no picture and no video in this folder'):
        expand_sources(tmp_path)
