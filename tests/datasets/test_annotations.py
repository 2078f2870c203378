import copy
import re
import warnings

import pytest

from mmdet_ps.datasets.annotations import check_annotations, read_json

from .scenes import PEOPLE, content


def spoil(change):
    data = content(PEOPLE)
    change(data)
    return data


BROKEN = {
    'annotation 2 (1.jpg) has no person_id': lambda d: d['annotations'][2].pop('person_id'),
    "person_id '7'": lambda d: d['annotations'][1].update(person_id='7'),
    'person_id True': lambda d: d['annotations'][1].update(person_id=True),
    'person_id 1.5': lambda d: d['annotations'][1].update(person_id=1.5),
    'wholly outside its 160x90 picture': lambda d: d['annotations'][0].update(bbox=[160, 0, 5, 5]),
    'bbox [1, 2, 3]': lambda d: d['annotations'][0].update(bbox=[1, 2, 3]),
    'bbox [1, 2, nan, 4]': lambda d: d['annotations'][0].update(bbox=[1, 2, float('nan'), 4]),
    "bbox ['1', 2, 3, 4]": lambda d: d['annotations'][0].update(bbox=['1', 2, 3, 4]),
    'belongs to image 9': lambda d: d['annotations'][0].update(image_id=9),
    'annotation id 1 occurs twice': lambda d: d['annotations'][2].update(id=1),
    "annotations[3] has no 'bbox'": lambda d: d['annotations'][3].pop('bbox'),
    "annotations[3] has no 'category_id'": lambda d: d['annotations'][3].pop('category_id'),
    "images[1] has no 'width'": lambda d: d['images'][1].pop('width'),
    'image id 0 occurs twice': lambda d: d['images'][1].update(id=0),
    '0.jpg is listed twice': lambda d: d['images'][1].update(file_name='0.jpg'),
    "no list 'images'": lambda d: d.pop('images'),
    "no list 'annotations'": lambda d: d.update(annotations={}),
    "categories are ['dog']": lambda d: d.update(categories=[dict(id=1, name='dog')]),
}


@pytest.mark.parametrize('said', BROKEN)
def test_each_fault_is_one_line_that_names_the_file(said):
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        check_annotations(spoil(BROKEN[said]), 'some/train.json')
    assert str(error.value).startswith('some/train.json: ')
    assert '\n' not in str(error.value)


def test_a_list_is_no_annotation_file():
    with pytest.raises(ValueError, match='holds a list'):
        check_annotations([], 'a.json')


def test_sound_annotations_pass_in_silence():
    data = spoil(lambda d: d['annotations'][0].update(bbox=[-3, 85.5, 200, 20]))
    before = copy.deepcopy(data)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_annotations(data, 'a.json')
    assert data == before


def test_boxes_without_area_are_counted():
    data = spoil(lambda d: [d['annotations'][i].update(bbox=[5, 5, 0, 9]) for i in (0, 3)])
    with pytest.warns(UserWarning, match='a.json: 2 boxes without area are left out'):
        check_annotations(data, 'a.json')


def test_read_json_names_file_and_cure(tmp_path):
    path = tmp_path / 'train.json'
    with pytest.raises(FileNotFoundError, match=r'train.json: no such file; the cure'):
        read_json(path, 'the cure')
    path.write_text('{"images": [')
    with pytest.raises(ValueError, match='train.json: truncated or not json'):
        read_json(path, 'the cure')
    path.write_bytes(b'\xff\xfe\x00\x81')
    with pytest.raises(ValueError, match='train.json: truncated or not json'):
        read_json(path, 'the cure')
