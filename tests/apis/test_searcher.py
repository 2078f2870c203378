import os

import cv2
import numpy as np
import pytest
import torch
from mmcv.parallel import collate
from mmdet.datasets.pipelines import Compose
from PIL import Image

from mmdet_ps.apis import PersonSearcher, load_config, load_model
from mmdet_ps.apis.searcher import join_features
from mmdet_ps.core.parallel import to_device
from mmdet_ps.utils.logs import without_info

from .tiny_run import CONFIG

ROI_CONFIG = CONFIG.with_name('roi_alignps_tiny.py')


def weights(path, config=CONFIG, seed=0):
    """Random weights that find something: scores and boxes are lifted."""
    torch.manual_seed(seed)
    network = load_model(load_config(config), None)
    with without_info():
        network.init_weights()
    with torch.no_grad():
        network.bbox_head.conv_cls.bias.fill_(0.3)
        network.bbox_head.conv_reg.bias.fill_(4.0)
    torch.save(dict(state_dict=network.state_dict(), meta={}), path)
    return str(path)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    return weights(tmp_path_factory.mktemp('weights') / 'a.pth')


@pytest.fixture(scope='module')
def searcher(checkpoint):
    return PersonSearcher(CONFIG, checkpoint, device='cpu')


def scene(seed, width=240, height=144):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (9, 15, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def street(tmp_path):
    path = tmp_path / 'street.png'
    cv2.imwrite(str(path), scene(0))
    return str(path)


def plain_result(checkpoint, path, boxes=None):
    """What the model gives by the config's own pipeline, from the file."""
    cfg = load_config(CONFIG)
    network = load_model(cfg, checkpoint)
    steps = Compose(cfg.data.test.pipeline)
    folder, name = os.path.split(path)
    data = steps(dict(img_info=dict(filename=name), img_prefix=folder, bbox_fields=[]))
    data = to_device(collate([data], samples_per_gpu=1), torch.device('cpu'))
    if boxes is not None:
        scale = data['img_metas'][0][0]['scale_factor']
        data['gt_bboxes'] = [[torch.tensor(boxes * scale)]]
    with torch.no_grad():
        return network(return_loss=False, rescale=True, **data)[0]


def test_find_gives_what_the_test_pipeline_gives(searcher, checkpoint, street):
    people = searcher.find(street)
    result = plain_result(checkpoint, street)
    n = len(people)
    assert n > 3
    assert np.array_equal(people.boxes, result['bboxes'][:, :4])
    assert np.array_equal(people.scores, result['bboxes'][:, 4])
    assert np.allclose(people.feats, result['feats']['alignps'], atol=1e-6)
    assert people.boxes.dtype == people.scores.dtype == people.feats.dtype == np.float32
    assert people.feats.shape == (n, searcher.dim) and searcher.dim == 64
    assert np.allclose(np.linalg.norm(people.feats, axis=1), 1, atol=1e-6)
    assert (np.diff(people.scores) <= 0).all()


def test_paths_arrays_and_lists_of_them_give_the_same(searcher, street):
    wide = scene(1, 320, 144)
    alone = [searcher.find(street), searcher.find(wide), searcher.find(scene(0))]
    assert np.array_equal(alone[0].feats, alone[2].feats)
    searcher.batch = 3
    together = searcher.find([street, wide, scene(0)])
    searcher.batch = 1
    for one, other in zip(alone, together, strict=True):
        assert np.allclose(one.boxes, other.boxes, atol=1e-3)
        assert np.allclose(one.feats, other.feats, atol=1e-5)
    assert together[0].picture is street and together[1].picture is wide
    assert searcher.find([]) == []


def test_describe_gives_the_feature_of_a_box(searcher, checkpoint, street):
    box = np.array([60.5, 20, 110, 130.25], np.float32)
    feat = searcher.describe(street, box)
    result = plain_result(checkpoint, street, box[None])
    assert feat.shape == (searcher.dim,) and feat.dtype == np.float32
    assert np.allclose(feat, result['feats']['alignps'][0], atol=1e-6)
    assert np.array_equal(feat, searcher.describe(scene(0), box.tolist()))
    other = searcher.describe(street, [150, 20, 200, 130])
    assert not np.allclose(feat, other, atol=1e-2)


def test_pictures_are_searched_upright(searcher, tmp_path):
    upright = scene(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.ascontiguousarray(np.rot90(upright)[..., ::-1])
    Image.fromarray(turned).save(tmp_path / 'turned.png', exif=exif)
    found, wanted = searcher.find(tmp_path / 'turned.png'), searcher.find(upright)
    assert np.array_equal(found.boxes, wanted.boxes)
    assert np.array_equal(found.feats, wanted.feats)


@pytest.mark.parametrize(
    ('box', 'why'),
    [
        ([1, 2, 3], 'four numbers'),
        ([1, 2, float('nan'), 9], 'four numbers'),
        ([30, 2, 20, 9], 'x2 must be above x1'),
        ([300, 10, 320, 50], 'outside the picture, which is 240 x 144'),
    ],
)
def test_boxes_that_are_none_are_refused(searcher, street, box, why):
    with pytest.raises(ValueError, match=why):
        searcher.describe(street, box)


def test_two_features_are_searched_by_their_concatenation(tmp_path):
    searcher = PersonSearcher(ROI_CONFIG, weights(tmp_path / 'roi.pth', ROI_CONFIG), 'cpu')
    people = searcher.find(scene(0))
    data = to_device(collate([searcher.prepare(scene(0))], samples_per_gpu=1), torch.device('cpu'))
    with torch.no_grad():
        feats = searcher.network(return_loss=False, rescale=True, **data)[0]['feats']
    assert list(feats) == ['alignps', 'roi_align'] and len(people) > 0
    by_hand = np.concatenate([feats['alignps'], feats['roi_align']], axis=1) / np.sqrt(2)
    assert np.allclose(people.feats, by_hand, atol=1e-6)
    assert people.feats.shape[1] == searcher.dim
    feat = searcher.describe(scene(0), [60, 20, 110, 130])
    assert feat.shape == (searcher.dim,) and np.linalg.norm(feat) == pytest.approx(1, abs=1e-6)


def test_features_are_joined_at_length_1_each():
    joined = join_features(dict(a=np.array([[3.0, 4.0]]), b=np.array([[0.0, 0.0, 20.0]])))
    assert np.allclose(joined, np.array([[0.6, 0.8, 0, 0, 1]]) / np.sqrt(2))
    assert joined.dtype == np.float32
    assert join_features(dict(a=np.zeros((0, 2)), b=np.zeros((0, 3)))).shape == (0, 5)


def test_the_fingerprint_is_of_the_weights(searcher, checkpoint, tmp_path):
    assert len(searcher.model) == 16
    assert PersonSearcher(CONFIG, checkpoint, 'cpu').model == searcher.model
    other = PersonSearcher(CONFIG, weights(tmp_path / 'b.pth', seed=1), 'cpu')
    assert other.model != searcher.model and other.dim == searcher.dim
    with torch.no_grad():
        other.network.load_state_dict(searcher.network.state_dict())
        other.network.bbox_head.conv_cls.bias[0] += 1e-3
    del other.__dict__['model']
    assert other.model != searcher.model


def test_devices_are_checked(checkpoint):
    for name in ('tpu', 'cuda:99', 'gpu0', 'meta'):
        with pytest.raises(ValueError, match=f'device {name}: '):
            PersonSearcher(CONFIG, checkpoint, device=name)
    with pytest.raises(ValueError, match='batch=0'):
        PersonSearcher(CONFIG, checkpoint, batch=0)
    with pytest.raises(FileNotFoundError, match=r'gone\.pth'):
        PersonSearcher(CONFIG, 'gone.pth')


def test_people_are_drawn(searcher, street, tmp_path):
    people = searcher.find(street)
    drawn = people.draw(tmp_path / 'found.png')
    assert np.array_equal(cv2.imread(str(tmp_path / 'found.png')), drawn)
    assert drawn.shape == (144, 240, 3) and (drawn != scene(0)).any()
    few = people.above(float(people.scores[1]))
    assert len(few) == (people.scores >= people.scores[1]).sum()
    prepared = searcher.find_prepared([searcher.prepare(scene(0))])[0]
    with pytest.raises(ValueError, match='was not kept'):
        prepared.draw()


def test_a_person_of_a_picture_is_found_again_in_a_gallery(searcher, tmp_path):
    pytest.importorskip('lancedb')
    for n in range(3):
        cv2.imwrite(str(tmp_path / f'{n}.png'), scene(n))
    gallery = searcher.gallery(tmp_path / 'people')
    report = gallery.add(str(tmp_path / '*.png'), camera='north', min_score=0.0, progress=False)
    assert report.sources == 3 and 0 < report.network <= report.seconds
    people = searcher.find(tmp_path / '1.png')
    hits = gallery.search(people.feats[2], top=5, cameras=['north'])
    assert hits[0].source == str(tmp_path / '1.png')
    assert hits[0].similarity == pytest.approx(1, abs=1e-3)
    assert hits[0].box == pytest.approx(people.boxes[2].tolist(), abs=1e-3)
    assert hits[0].score == pytest.approx(float(people.scores[2]), abs=1e-6)
    with pytest.raises(FileNotFoundError):
        searcher.gallery(tmp_path / 'none', create=False)


def test_a_published_checkpoint_is_taken_by_name(checkpoint, street, monkeypatch):
    def find(name):
        assert name == 'alignps_r50_prw'
        return CONFIG, checkpoint

    monkeypatch.setattr('mmdet_ps.apis.searcher.find_released', find)
    named, given = (
        PersonSearcher('alignps_r50_prw', device='cpu'),
        PersonSearcher(CONFIG, checkpoint, device='cpu'),
    )
    assert named.model == given.model
    assert np.array_equal(named.find(street).feats, given.find(street).feats)


def test_a_config_without_weights_is_no_published_checkpoint():
    with pytest.raises(FileNotFoundError, match='no published checkpoint of that name'):
        PersonSearcher(str(CONFIG), device='cpu')
