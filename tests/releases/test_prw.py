import pytest

from mmdet_ps.releases.prw import read_release

from .official import PRW_TRAIN, write_prw


def people(scene):
    return [(*map(float, box), pid) for box, pid in zip(scene.boxes, scene.pids, strict=True)]


def test_release_by_hand(tmp_path):
    release = read_release(write_prw(tmp_path))
    train = {scene.name: people(scene) for scene in release.splits['train']}
    assert train == {
        'c1s1_000151.jpg': [
            (10, 20, 30, 60, 1),
            (60, 20, 30, 60, -2),
            (100.5, 20.25, 30, 60, 2),
        ],
        'c2s1_000200.jpg': [(10, 20, 30, 60, 2), (0, 0, 30, 60, 0)],
    }
    test = {scene.name: people(scene) for scene in release.splits['test']}
    assert test == {
        'c1s2_000301.jpg': [(10, 20, 30, 60, 480), (60, 20, 30, 60, -2)],
        'c6s1_000302.jpg': [(50, 10, 30, 60, 480)],
        'c3s1_000303.jpg': [(5, 6, 30, 60, 7), (90, 9, 31, 61, 480)],
    }
    assert [scene.cam_id for scene in release.splits['test']] == [1, 6, 3]
    assert release.num_queries == 2
    assert release.notes == [
        'train: 1 boxes begin left of or above their picture, moved to 0',
        'test: 1 boxes without area are left out',
    ]
    assert 'queries 2 (official 2057)' in release.count_note()


def test_official_numbers_become_0_to_482(tmp_path):
    """1 to 483 without 479, and 932, as in the release."""
    raw = [*(n for n in range(1, 484) if n != 479), 932]
    frames = {f'c1s1_{i:06}': [(pid, 1, 1, 9, 9) for pid in raw[i::2]] for i in range(2)}
    release = read_release(write_prw(tmp_path, train=frames))
    given = {}
    for i, scene in enumerate(release.splits['train']):
        given.update(zip(raw[i::2], scene.pids.tolist(), strict=True))
    assert [given[n] for n in (1, 478, 480, 483, 932)] == [0, 477, 478, 481, 482]
    assert sorted(given.values()) == list(range(483))


def test_identity_0_is_one(tmp_path):
    frames = {'c1s1_000001': [(0, 1, 1, 9, 9), (7, 20, 1, 9, 9), (-2, 40, 1, 9, 9)]}
    release = read_release(write_prw(tmp_path, train=frames))
    assert release.splits['train'][0].pids.tolist() == [0, 1, -2]
    assert release.counts()['training identities'] == 2


def test_frame_without_people(tmp_path):
    release = read_release(write_prw(tmp_path, train={**PRW_TRAIN, 'c4s1_000001': []}))
    scene = release.splits['train'][2]
    assert scene.boxes.shape == (0, 4) and scene.pids.shape == (0,)


@pytest.mark.parametrize(
    'name, said',
    [
        ('frame_train.mat', 'frame_train.mat: no such file'),
        ('frame_test.mat', 'frame_test.mat: no such file'),
        ('query_info.txt', 'query_info.txt: no such file'),
        ('annotations/c6s1_000302.jpg.mat', 'c6s1_000302.jpg.mat: no such file'),
    ],
)
def test_missing_files_are_named(tmp_path, name, said):
    write_prw(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=said):
        read_release(tmp_path)


def test_rows_of_another_length_are_named(tmp_path):
    from scipy.io import savemat

    write_prw(tmp_path)
    savemat(tmp_path / 'annotations' / 'c1s1_000151.jpg.mat', {'box_new': [[1, 2, 3, 4]]})
    with pytest.raises(ValueError, match=r'c1s1_000151.jpg.mat: .*an array of shape \(1, 4\)'):
        read_release(tmp_path)
