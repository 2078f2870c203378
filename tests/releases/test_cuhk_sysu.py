import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from mmdet_ps.releases.cuhk_sysu import read_release

from .official import CUHK_PICTURES, CUHK_TEST, records, write_cuhk


def people(scene):
    return [(*map(float, box), pid) for box, pid in zip(scene.boxes, scene.pids, strict=True)]


def test_release_by_hand(tmp_path):
    release = read_release(write_cuhk(tmp_path))
    train = {scene.name: people(scene) for scene in release.splits['train']}
    assert list(train) == ['s1.jpg', 's2.jpg', 's3.jpg']
    assert train['s1.jpg'] == [(10, 20, 30, 60, 0), (100, 30, 20, 50, -1)]
    assert train['s2.jpg'] == [(40, 10, 25, 70, 0)]
    assert train['s3.jpg'] == [(60, 15, 30, 60, 1), (10, 15, 20, 40, -1)]
    test = {scene.name: people(scene) for scene in release.splits['test']}
    assert list(test) == ['s6.jpg', 's4.jpg', 's5.jpg']
    assert test['s4.jpg'] == [(12, 8, 33, 66, 0), (80, 8, 30, 60, -1)]
    assert test['s5.jpg'] == [(70, 9, 28, 55, 0), (-3, 12, 22, 44, 1)]
    assert test['s6.jpg'] == [(20, 11, 27, 53, 1)]
    assert release.notes == ['1 boxes without area are left out']
    assert release.num_queries == 2
    assert release.folder == tmp_path / 'Image' / 'SSM'
    assert release.count_note().startswith(
        'not the official release, its counts differ: training pictures 3 (official 11206), '
    )


def test_training_pictures_are_sorted_and_test_pictures_as_in_the_pool(tmp_path):
    pictures = dict(reversed(CUHK_PICTURES.items()))
    release = read_release(write_cuhk(tmp_path, pictures=pictures))
    names = {split: [scene.name for scene in scenes] for split, scenes in release.splits.items()}
    assert names == {
        'train': ['s1.jpg', 's2.jpg', 's3.jpg'],
        'test': ['s6.jpg', 's4.jpg', 's5.jpg'],
    }


def test_official_counts_need_no_note(tmp_path):
    release = read_release(write_cuhk(tmp_path))
    release.published.update(release.counts())
    assert release.count_note() is None


def test_only_the_same_box_has_the_identity(tmp_path):
    train = [[('s1.jpg', (10, 20, 30, 61)), ('s2.jpg', (40, 10, 25, 70))]]
    release = read_release(write_cuhk(tmp_path, train=train))
    assert [scene.pids.tolist() for scene in release.splits['train']] == [[-1, -1], [0], [-1, -1]]
    assert release.notes[1] == (
        'train: 1 boxes of identities are not in Images.mat, the first is identity 0 in s1.jpg'
    )


def test_identity_in_the_other_split_is_not_placed(tmp_path):
    release = read_release(write_cuhk(tmp_path, train=[[('s4.jpg', (12, 8, 33, 66))]]))
    assert all((scene.pids < 0).all() for scene in release.splits['train'])
    assert 'identity 0 in s4.jpg' in release.notes[1]


def test_box_of_two_identities_goes_to_the_later(tmp_path):
    train = [[('s2.jpg', (40, 10, 25, 70))], [('s2.jpg', (40, 10, 25, 70))]]
    release = read_release(write_cuhk(tmp_path, train=train))
    assert release.splits['train'][1].pids.tolist() == [1]
    assert 'train: 1 boxes belong to two identities' in release.notes[1]


def test_queries_of_one_person_share_its_identity(tmp_path):
    """The same idname: other data in this layout may ask for a person more than once."""
    write_cuhk(tmp_path, sizes=())
    rows = []
    for (name, box), gallery in [
        CUHK_TEST[0],
        (('s5.jpg', (70, 9, 28, 55)), [('s4.jpg', (12, 8, 33, 66))]),
    ]:
        query = records(
            ('imname', 'idlocate', 'ishard', 'idname'), [(name, np.array([box]), 0, 'same')]
        )
        listed = [(n, np.zeros((0, 0)) if b is None else np.array([b]), 0) for n, b in gallery]
        rows.append((query, records(('imname', 'idlocate', 'ishard'), listed)))
    folder = tmp_path / 'annotation' / 'test' / 'train_test'
    savemat(folder / 'TestG50.mat', {'TestG50': records(('Query', 'Gallery'), rows)})
    release = read_release(tmp_path)
    assert release.num_queries == 2
    test = {scene.name: scene.pids.tolist() for scene in release.splits['test']}
    assert test == {'s6.jpg': [-1], 's4.jpg': [0, -1], 's5.jpg': [0, -1]}
    assert release.notes == ['1 boxes without area are left out']


@pytest.mark.parametrize('pictures', [{'a.jpg': []}, {'a.jpg': [(1, 2, 3, 4)]}])
def test_single_records_and_pictures_without_people(tmp_path, pictures):
    everything = {**pictures, **{f's{i}.jpg': CUHK_PICTURES[f's{i}.jpg'] for i in (4, 5, 6)}}
    release = read_release(write_cuhk(tmp_path, pictures=everything, train=[]))
    (scene,) = release.splits['train']
    assert scene.boxes.tolist() == [list(map(float, box)) for box in pictures['a.jpg']]
    assert scene.pids.shape == (len(pictures['a.jpg']),)


def test_faults_are_named(tmp_path):
    root = write_cuhk(tmp_path / 'a', pool=['s4.jpg', 's9.jpg'])
    with pytest.raises(ValueError, match=r'pool.mat: 1 pictures are not in Images.mat.*s9.jpg'):
        read_release(root)
    savemat(root / 'annotation' / 'Images.mat', {'Img': np.eye(3)})
    with pytest.raises(ValueError, match='Images.mat: .*not of the official structure'):
        read_release(root)
    root = write_cuhk(tmp_path / 'b', sizes=())
    with pytest.raises(FileNotFoundError, match='train_test: no TestG50.mat'):
        read_release(root)
    (root / 'annotation' / 'test' / 'train_test' / 'Train.mat').unlink()
    with pytest.raises(FileNotFoundError, match='Train.mat: no such file'):
        read_release(root)


box = st.tuples(st.integers(0, 300), st.integers(0, 200), st.integers(-1, 60), st.integers(-1, 60))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(box, max_size=4), min_size=1, max_size=4), st.data())
def test_any_release_reads_back(tmp_path_factory, boxes, data):
    """Every box with an area is there once; exactly the picked ones have their identity."""
    pictures = {f't{i}.jpg': found for i, found in enumerate(boxes)}
    seen = [
        (name, b) for name, found in pictures.items() for b in set(found) if b[2] > 0 and b[3] > 0
    ]
    owners = [data.draw(st.integers(-1, 2)) for _ in seen]
    train = [
        [where for where, owner in zip(seen, owners, strict=True) if owner == pid]
        for pid in range(3)
    ]
    test = {f's{i}.jpg': CUHK_PICTURES[f's{i}.jpg'] for i in (4, 5, 6)}
    root = write_cuhk(tmp_path_factory.mktemp('release'), {**pictures, **test}, train, sizes=(50,))
    release = read_release(root)
    expected = dict(zip(seen, owners, strict=True))
    for scene in release.splits['train']:
        kept = [b for b in pictures[scene.name] if b[2] > 0 and b[3] > 0]
        assert scene.boxes.tolist() == [list(map(float, b)) for b in kept]
        given_out = {}
        for b, pid in zip(kept, scene.pids.tolist(), strict=True):
            first = given_out.setdefault(b, pid) is pid and kept.count(b) == 1
            assert pid == expected[scene.name, b] or not first
