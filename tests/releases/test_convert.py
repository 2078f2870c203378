import json
import shutil
from functools import partial

import pytest
from mmdet.datasets import build_dataset

import mmdet_ps.datasets  # noqa: F401
from mmdet_ps.core.evaluation import SearchProtocol, load_protocols
from mmdet_ps.releases import convert as module
from mmdet_ps.releases import cuhk_sysu, prw
from mmdet_ps.utils.pictures import PictureError

from ..datasets.scenes import PIPELINE
from .official import CUHK_PICTURES, write_cuhk, write_picture, write_prw

convert_cuhk = partial(module.convert, cuhk_sysu.read_release)
convert_prw = partial(module.convert, prw.read_release)
OUTPUTS = ['protocol/G100.npz', 'protocol/G50.npz', 'protocol/all.npz', 'test.json', 'train.json']


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def test_json_by_hand(tmp_path):
    out = tmp_path / 'out'
    release = convert_prw(write_prw(tmp_path / 'prw'), out)
    train = json.loads((out / 'train.json').read_text())
    assert train['categories'] == [dict(id=1, name='person', supercategory='object')]
    assert train['images'] == [
        dict(id=0, file_name='c1s1_000151.jpg', width=160, height=90, cam_id=1),
        dict(id=1, file_name='c2s1_000200.jpg', width=160, height=90, cam_id=2),
    ]
    assert train['annotations'][2] == dict(
        id=2,
        image_id=0,
        category_id=1,
        bbox=[100.5, 20.25, 30, 60],
        area=1800,
        iscrowd=0,
        person_id=2,
    )
    assert [person['person_id'] for person in train['annotations']] == [1, -2, 2, 2, 0]
    protocols = [f'protocol/{name}.npz' for name in ('all', 'cross', 'same')]
    assert files(out) == [*protocols, 'test.json', 'train.json']
    assert len(release.notes) == 2


@pytest.mark.parametrize('kind', ['cuhk', 'prw'])
def test_datasets_read_what_was_converted(tmp_path, kind):
    if kind == 'cuhk':
        convert_cuhk(write_cuhk(tmp_path))
        common, train_pids = dict(type='CuhkSysuDataset', img_prefix='Image/SSM'), [0, -1]
        test = dict(gallery_sizes=50)
    else:
        convert_prw(write_prw(tmp_path))
        common, train_pids = dict(type='PrwDataset', img_prefix='frames'), [1, -1, 2]
        test = {}
    common.update(data_root=str(tmp_path), pipeline=PIPELINE)
    train = build_dataset({**common, 'ann_file': 'train.json'})
    assert train[0]['gt_pids'].tolist() == train_pids
    dataset = build_dataset({**common, **test, 'ann_file': 'test.json', 'test_mode': True})
    assert dataset.protocols[0].num_queries == 2
    assert sum(len(dataset.queries_of(i)) for i in range(len(dataset))) == 2
    for i in range(len(dataset)):
        boxes = dataset.get_ann_info(i)['bboxes'].tolist()
        assert all(box in boxes for box in dataset.queries_of(i).tolist())


def test_galleries_of_the_benchmarks_main_numbers():
    assert mmdet_ps.datasets.CuhkSysuDataset.GALLERY_SIZES == (100,)
    assert mmdet_ps.datasets.PrwDataset.GALLERY_SIZES == ('all',)


def test_boxes_that_stick_out_are_kept_and_counted(tmp_path):
    release = convert_cuhk(write_cuhk(tmp_path))
    people = json.loads((tmp_path / 'test.json').read_text())['annotations']
    assert [-3, 12, 22, 44] in [person['bbox'] for person in people]
    assert '1 boxes stick out of their pictures, kept as annotated' in release.notes


def test_an_earlier_conversion_is_not_replaced_without_force(tmp_path):
    write_cuhk(tmp_path)
    convert_cuhk(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    for kept in OUTPUTS:
        for name in OUTPUTS:
            (tmp_path / name).unlink()
        (tmp_path / kept).write_bytes(b'mine')
        with pytest.raises(FileExistsError, match=rf'{kept}: is there already; add --force'):
            convert_cuhk(tmp_path)
        assert (tmp_path / kept).read_bytes() == b'mine'
        assert not set(files(tmp_path)) & (set(OUTPUTS) - {kept})
        convert_cuhk(tmp_path, force=True)
        assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_force_leaves_no_protocol_that_it_does_not_write(tmp_path):
    convert_cuhk(write_cuhk(tmp_path))
    (tmp_path / 'protocol' / 'mine.npz').write_bytes(b'mine')
    (tmp_path / 'protocol' / 'notes.txt').write_bytes(b'mine')
    (tmp_path / 'annotation' / 'test' / 'train_test' / 'TestG100.mat').unlink()
    convert_cuhk(tmp_path, force=True)
    assert sorted(path.name for path in (tmp_path / 'protocol').iterdir()) == [
        'G50.npz',
        'all.npz',
        'mine.npz',
        'notes.txt',
    ]


def test_a_protocol_of_ones_own_is_no_earlier_conversion(tmp_path):
    (tmp_path / 'out' / 'protocol').mkdir(parents=True)
    (tmp_path / 'out' / 'protocol' / 'mine.npz').write_bytes(b'mine')
    convert_prw(write_prw(tmp_path / 'prw'), tmp_path / 'out')
    assert (tmp_path / 'out' / 'protocol' / 'mine.npz').read_bytes() == b'mine'


@pytest.mark.parametrize('write, run', [(write_cuhk, convert_cuhk), (write_prw, convert_prw)])
def test_protocols_of_an_older_release_are_not_used(tmp_path, write, run):
    run(write(tmp_path))
    sources = load_protocols(tmp_path, 'all')[0].sources
    assert len(sources) == 2
    stored = [path.stem for path in (tmp_path / 'protocol').iterdir()]
    assert all(protocol.sources for protocol in load_protocols(tmp_path, stored))
    for name in sources:
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole + b' ')
        with pytest.raises(ValueError, match=f'all.npz: was made of another {name} than'):
            load_protocols(tmp_path, 'all')
        (tmp_path / name).write_bytes(whole)
    load_protocols(tmp_path, 'all')


@pytest.mark.parametrize(
    'said, error',
    [
        (r'SSM: 1 of 6 pictures are missing: s5.jpg; unpack', FileNotFoundError),
        (r's5.jpg: the picture is truncated', PictureError),
        (r's5.jpg: box \[70, 9, 28, 55\].*wholly outside the 60x90 picture', ValueError),
        (r'TestG100.mat: holds TestG50, not TestG100', ValueError),
    ],
)
@pytest.mark.parametrize('earlier', [False, True])
def test_nothing_is_written_when_anything_is_wrong(tmp_path, said, error, earlier):
    root, out = write_cuhk(tmp_path / 'release'), tmp_path / 'out'
    if earlier:
        convert_cuhk(root, out)
    before = {name: (out / name).read_bytes() for name in files(out)} if earlier else {}
    picture = root / 'Image' / 'SSM' / 's5.jpg'
    if 'missing' in said:
        picture.unlink()
    elif 'truncated' in said:
        picture.write_bytes(picture.read_bytes()[:-900])
    elif 'outside' in said:
        write_picture(picture, (60, 90))
    else:
        # The last thing that is read: the annotations have been staged by then.
        path = root / 'annotation' / 'test' / 'train_test' / 'TestG100.mat'
        shutil.copy(path.with_name('TestG50.mat'), path)
    with pytest.raises(error, match=said):
        convert_cuhk(root, out, force=True)
    assert {name: (out / name).read_bytes() for name in files(out)} == before


def test_a_full_disk_leaves_no_trace(tmp_path, monkeypatch):
    root = write_cuhk(tmp_path / 'release')
    out = tmp_path / 'out'
    out.mkdir()

    def full(*args):
        raise OSError(28, 'No space left on device', 'all.npz')

    monkeypatch.setattr(SearchProtocol, 'save', full)
    with pytest.raises(OSError, match='No space left'):
        convert_cuhk(root, out)
    assert list(out.iterdir()) == []


def test_first_ten_missing_pictures_are_listed(tmp_path):
    pictures = {f't{i:02}.jpg': [(1, 1, 9, 9)] for i in range(13)}
    root = write_cuhk(tmp_path, {**pictures, **CUHK_PICTURES})
    for name in pictures:
        (root / 'Image' / 'SSM' / name).unlink()
    with pytest.raises(FileNotFoundError, match='13 of 19') as error:
        convert_cuhk(root)
    assert ', '.join(sorted(pictures)[:10]) + ', ...;' in str(error.value)
    assert 't10.jpg' not in str(error.value)


def test_decode_finds_what_header_and_end_do_not_show(tmp_path):
    root = write_cuhk(tmp_path, {**CUHK_PICTURES, 'png.png': []})
    picture = root / 'Image' / 'SSM' / 'png.png'
    data = bytearray(picture.read_bytes())
    start = data.index(b'IDAT') + 4
    data[start : start + 2] = b'\0\0'
    picture.write_bytes(data)
    convert_cuhk(root, tmp_path / 'header')
    with pytest.raises(PictureError, match='png.png: not a readable picture'):
        convert_cuhk(root, tmp_path / 'whole', decode=True)


def test_root_has_to_be_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='absent: no such folder'):
        convert_cuhk(tmp_path / 'absent')
