import os

import pytest

from mmdet_ps.gallery import Gallery
from mmdet_ps.gallery.durable import Syncer

from .stub import StubFinder, write_picture

pytest.importorskip('lancedb')


@pytest.fixture
def synced(monkeypatch):
    """Paths that were synced, in order."""
    paths, fsync = [], os.fsync

    def note(handle):
        paths.append(os.readlink(f'/proc/self/fd/{handle}'))
        fsync(handle)

    monkeypatch.setattr(os, 'fsync', note)
    return paths


def everything(folder):
    return {str(path) for path in folder.rglob('*') if path.is_file()}


def test_people_are_on_the_disk_before_their_source_is_written(tmp_path, synced, monkeypatch):
    gallery = Gallery(tmp_path / 'g', StubFinder())
    write_picture(tmp_path / 'a.jpg', 3)
    put, seen = gallery.index.put_sources, []

    def put_sources(table):
        people = tmp_path / 'g' / 'people.lance'
        files = everything(people)
        assert files <= set(synced) and any(path.endswith('.manifest') for path in files)
        for folder in ('', '_versions', 'data', '_transactions'):
            there = [path for path in files if os.path.dirname(path) == str(people / folder)]
            # A folder is synced after the files that are new in it.
            order = [synced.index(path) for path in there]
            last = len(synced) - 1 - synced[::-1].index(str(people / folder).rstrip('/'))
            assert all(place < last for place in order)
        seen.append(files)
        put(table)

    monkeypatch.setattr(gallery.index, 'put_sources', put_sources)
    gallery.add(tmp_path / 'a.jpg', progress=False)
    assert len(seen) == 1 and everything(tmp_path / 'g') <= set(synced)


def test_files_are_synced_once_and_those_of_other_processes_too(tmp_path, synced):
    (tmp_path / 'new').write_text('a')
    (tmp_path / 'old').write_text('b')
    os.utime(tmp_path / 'old', (1, 1))
    syncer = Syncer(str(tmp_path))
    syncer.sync()
    assert synced == [str(tmp_path / 'new'), str(tmp_path)]
    syncer.sync()
    assert len(synced) == 2
    (tmp_path / 'inner').mkdir()
    (tmp_path / 'inner' / 'other').write_text('c')
    syncer.sync()
    assert synced[2:] == [str(tmp_path / 'inner' / 'other'), str(tmp_path / 'inner'), str(tmp_path)]


def test_a_disk_that_does_not_take_it_is_an_error(tmp_path, monkeypatch):
    def fail(handle):
        raise OSError(5, 'Input/output error')

    gallery = Gallery(tmp_path / 'g', StubFinder())
    write_picture(tmp_path / 'a.jpg', 3)
    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(OSError, match='Input/output error'):
        gallery.add(tmp_path / 'a.jpg', progress=False)
    assert gallery.sources() == []
