import json
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ps.datasets.annotations import Content, read_annotations, read_json, read_queries

from ..faults import check_reader
from .scenes import PEOPLE, content


def write(folder, data, name='train.json'):
    path = folder / name
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def spoil(change):
    data = content(PEOPLE)
    change(data)
    return data


def person(number=3, **changes):
    return lambda data: data['annotations'][number].update(changes)


def image(**changes):
    return lambda data: data['images'][1].update(changes)


# What is told of a file whose content is changed so.
BROKEN = {
    'missing required field `person_id` - at `$.annotations[2]`': lambda d: d['annotations'][2].pop(
        'person_id'
    ),
    'missing required field `bbox` - at `$.annotations[3]`': lambda d: d['annotations'][3].pop(
        'bbox'
    ),
    'missing required field `category_id` - at `$.annotations[3]`': lambda d: d['annotations'][
        3
    ].pop('category_id'),
    'missing required field `width` - at `$.images[1]`': lambda d: d['images'][1].pop('width'),
    'missing required field `images`': lambda d: d.pop('images'),
    'Expected `int`, got `str` - at `$.annotations[3].person_id`': person(person_id='7'),
    'Expected `int`, got `bool` - at `$.annotations[3].person_id`': person(person_id=True),
    'Expected `int`, got `float` - at `$.annotations[3].person_id`': person(person_id=3.7),
    'Expected `int` <= 9007199254740992 - at `$.annotations[3].person_id`': person(person_id=2**70),
    'Expected `int` >= -9007199254740992 - at `$.annotations[3].person_id`': person(
        person_id=-(2**70)
    ),
    'Expected `array` of length 4 - at `$.annotations[3].bbox`': person(bbox=[1, 2, 3]),
    'Expected `float`, got `str` - at `$.annotations[3].bbox[0]`': person(bbox=['1', 2, 3, 4]),
    'Expected `float`, got `null` - at `$.annotations[3].bbox[1]`': person(bbox=[1, None, 3, 4]),
    'Number out of range - at `$.annotations[3].bbox[2]`': person(bbox=[1, 2, 10**400, 4]),
    'Expected `float` <= 1000000000.0 - at `$.annotations[3].bbox[2]`': person(
        bbox=[1, 2, 1e30, 4]
    ),
    'Expected `array`, got `str` - at `$.annotations[3].bbox`': person(bbox='wide'),
    'Expected `int`, got `array` - at `$.annotations[3].id`': person(id=[3]),
    'Expected `int`, got `array` - at `$.annotations[3].image_id`': person(image_id=[3]),
    'got `str` - at `$.annotations[3].iscrowd`': person(iscrowd='no'),
    'Expected `object`, got `null` - at `$.annotations[1]`': (
        lambda d: d['annotations'].__setitem__(1, None)
    ),
    'Expected `array`, got `object` - at `$.annotations`': lambda d: d.update(annotations={}),
    'Expected `int`, got `null` - at `$.images[1].width`': image(width=None),
    'Expected `int`, got `str` - at `$.images[1].width`': image(width='wide'),
    'Expected `int` >= 1 - at `$.images[1].height`': image(height=0),
    'Expected `str`, got `null` - at `$.images[1].file_name`': image(file_name=None),
    'Expected `str` of length >= 1 - at `$.images[1].file_name`': image(file_name=''),
    'got `float` - at `$.images[1].cam_id`': image(cam_id=1.5),
    'got `array` - at `$.images[1].id`': image(id=[1]),
    'Expected `str`, got `int` - at `$.categories[0].name`': lambda d: d['categories'][0].update(
        name=3
    ),
    'annotation 0 (0.jpg) has bbox [160.0, 0.0, 5.0, 5.0], wholly outside its 160x90 picture': (
        person(0, bbox=[160, 0, 5, 5])
    ),
    'annotation 3 belongs to image 9': person(image_id=9),
    'annotation id 1 occurs twice': person(id=1),
    'image id 0 occurs twice': image(id=0),
    'picture 0.jpg occurs twice': image(file_name='0.jpg'),
    'category id 1 occurs twice': lambda d: d['categories'].append(dict(id=1, name='dog')),
    "categories are ['dog']": lambda d: d.update(categories=[dict(id=1, name='dog')]),
    "categories are ['person', 'person']": lambda d: d['categories'].append(
        dict(id=2, name='person')
    ),
}


@pytest.mark.parametrize('said', BROKEN)
def test_each_fault_is_one_line_that_names_file_and_place(tmp_path, said):
    path = write(tmp_path, spoil(BROKEN[said]))
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        read_annotations(path)
    assert str(error.value).startswith(f'{path}: ')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'text, said',
    [
        ('[]', 'Expected `object`, got `array`'),
        ('null', 'Expected `object`, got `null`'),
        ('', 'truncated or not json'),
        ('{"images": [', 'truncated or not json'),
        ('{"images": [NaN]}', 'truncated or not json'),
        ('{"deep": ' + '[' * 200_000 + ']' * 200_000 + '}', 'truncated or not json'),
    ],
)
def test_what_is_no_annotation_file_is_one_line(tmp_path, text, said):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=said) as error:
        read_annotations(path)
    assert str(error.value).startswith(f'{path}: ') and '\n' not in str(error.value)


def test_a_missing_file_and_broken_letters(tmp_path):
    path = tmp_path / 'train.json'
    with pytest.raises(FileNotFoundError, match=r'train.json: no such file; the cure'):
        read_json(path, Content, 'the cure')
    path.write_bytes(b'\xff\xfe\x00\x81')
    with pytest.raises(ValueError, match='train.json: truncated or not json'):
        read_json(path, Content, 'the cure')


def test_sound_annotations_pass_in_silence(tmp_path):
    data = spoil(person(0, bbox=[-3, 85.5, 200, 20], iscrowd=0, ignore=None, area='none'))
    data['info'] = {'year': None}
    data['images'][0].update(license=[], cam_id=None)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = read_annotations(write(tmp_path, data))
    assert found.left_out == ''
    assert [picture.file_name for picture in found.images] == ['0.jpg', '1.jpg', '2.jpg']
    assert [one.person_id for one in found.people] == [4, -2, 4, 0, -1]
    assert found.people[0].bbox == (-3, 85.5, 200, 20)


LEAVING_OUT = {
    '1 of another category': dict(category_id=7),
    '1 marked ignore': dict(ignore=1),
    '1 marked iscrowd': dict(iscrowd=True),
    '1 less than a pixel wide or high': dict(bbox=[5, 5, 0, 9]),
}


@pytest.mark.parametrize('said', LEAVING_OUT)
def test_who_does_not_count_is_counted(tmp_path, said):
    found = read_annotations(write(tmp_path, spoil(person(3, **LEAVING_OUT[said]))))
    assert found.left_out == f'{tmp_path / "train.json"}: 1 of 5 annotations are left out: {said}'
    assert [one.id for one in found.people] == [0, 1, 2, 4]


def test_reasons_are_counted_apart(tmp_path):
    data = spoil(lambda d: [d['annotations'][i].update(iscrowd=1) for i in (0, 4)])
    # Neither a negative width nor one below a pixel; a whole pixel is enough.
    for number, width in ((1, -4), (2, 0.99), (3, 1)):
        data['annotations'][number]['bbox'][2] = width
    found = read_annotations(write(tmp_path, data))
    assert found.left_out.endswith(
        '4 of 5 annotations are left out: 2 marked iscrowd, 2 less than a pixel wide or high'
    )
    assert [one.id for one in found.people] == [3]


def test_area_is_never_read(tmp_path):
    for area in (0, -5, 'large', None):
        data = spoil(lambda d, area=area: [one.update(area=area) for one in d['annotations']])
        found = read_annotations(write(tmp_path, data))
        assert len(found.people) == 5 and not found.left_out
        assert [one['area'] for one in found.to_coco()['annotations']] == [800, 800, 800, 1250, 800]


sides = st.floats(0, 3) | st.floats(-5, 200)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(sides, sides, sides, sides), min_size=1, max_size=6))
def test_who_counts_has_a_box_in_whole_pixels(tmp_path_factory, boxes):
    """So that detection and search take the same people: no other rule is needed further on."""
    data = content([(0, box, 0) for box in boxes], num_images=1)
    path = write(tmp_path_factory.mktemp('json'), data)
    try:
        found = read_annotations(path)
    except ValueError as error:
        assert 'wholly outside' in str(error)
        return
    assert [one.id for one in found.people] == [
        i for i, box in enumerate(boxes) if box[2] >= 1 and box[3] >= 1
    ]
    if found.people:
        query = [(0, 5, np.array([0, 0, 9, 9]))]
        protocol = found.search_protocol(query, 'all')  # raises where a box has no area
        assert protocol.num_queries == 1


def test_changed_annotation_files_are_one_line(tmp_path):
    path = write(tmp_path, content(PEOPLE))
    assert check_reader(path, read_annotations, 600) > 300


QUERY = dict(file_name='0.jpg', bbox=[10, 10, 20, 40], person_id=4)


def queries_of(folder, queries, cams=(None, None, None)):
    data = content(PEOPLE)
    for picture, cam in zip(data['images'], cams, strict=True):
        picture['cam_id'] = cam
    found = read_annotations(write(folder, data))
    path = write(folder, queries, 'queries.json')
    return found, read_queries(path, found.images, folder / 'train.json')


def test_queries_by_hand(tmp_path):
    found, queries = queries_of(
        tmp_path, [QUERY, dict(file_name='1.jpg', bbox=[70.9, -2, 25.2, 50], person_id=0, note='')]
    )
    assert [(place, pid, box.tolist()) for place, pid, box in queries] == [
        (0, 4, [10, 10, 30, 50]),
        (1, 0, [70, 0, 96, 50]),
    ]
    protocol = found.search_protocol(queries, 'all')
    assert protocol.image_names == ['0.jpg', '1.jpg', '2.jpg']
    assert protocol.query_pids.tolist() == [4, 0]
    # Person 4 is in pictures 0 and 1, person 0 in 1 alone.
    assert [protocol.ground_truth(q)[0].tolist() for q in range(2)] == [[1], []]
    assert protocol.ground_truth(0)[1].tolist() == [[12, 10, 32, 50]]


def test_identity_0_is_found(tmp_path):
    data = content([(0, (10, 10, 20, 40), 0), (1, (12, 10, 20, 40), 0), (1, (50, 9, 9, 9), -1)])
    found = read_annotations(write(tmp_path, data))
    path = write(tmp_path, [dict(QUERY, person_id=0)], 'queries.json')
    protocol = found.search_protocol(read_queries(path, found.images, 'x'), 'all')
    assert protocol.ground_truth(0)[0].tolist() == [1]


def test_ids_of_pictures_are_not_their_places(tmp_path):
    data = content(PEOPLE)
    for picture in data['images']:
        picture['id'] = 7 - picture['id']
    for one in data['annotations']:
        one['image_id'] = 7 - one['image_id']
    found = read_annotations(write(tmp_path, data))
    path = write(tmp_path, [QUERY], 'queries.json')
    protocol = found.search_protocol(read_queries(path, found.images, 'x'), 'all')
    assert protocol.image_names == ['0.jpg', '1.jpg', '2.jpg']
    assert protocol.ground_truth(0)[0].tolist() == [1]


def test_people_without_identity_are_nobodys_ground_truth(tmp_path):
    data = content([(0, (10, 10, 20, 40), -1), (1, (12, 10, 20, 40), -1)])
    found = read_annotations(write(tmp_path, data))
    protocol = found.search_protocol([(0, 0, np.array([1, 1, 9, 9]))], 'all')
    assert protocol.ground_truth(0)[0].tolist() == []


def test_cameras_of_the_records_and_of_names(tmp_path):
    found, queries = queries_of(tmp_path, [QUERY], cams=(1, 1, 2))
    assert found.search_protocol(queries, 'same').ground_truth(0)[0].tolist() == [1]
    assert found.search_protocol(queries, 'cross').ground_truth(0)[0].tolist() == []
    found, queries = queries_of(tmp_path, [QUERY], cams=(0, 0, None))
    with pytest.raises(ValueError, match=r'2.jpg has none.*cam_id'):
        found.search_protocol(queries, 'same')
    found.images[2].file_name = 'c5s1_000001.jpg'
    assert found.search_protocol(queries, 'same').image_cams.tolist() == [0, 0, 5]


@pytest.mark.parametrize(
    'said, query',
    [
        ('Expected `int`, got `float` - at `$[1].person_id`', dict(QUERY, person_id=3.7)),
        ('Expected `int` >= 0 - at `$[1].person_id`', dict(QUERY, person_id=-1)),
        ('Expected `int` <= 9007199254740992 - at', dict(QUERY, person_id=2**70)),
        ('Expected `array` of length 4 - at `$[1].bbox`', dict(QUERY, bbox=[1, 2, 3])),
        ('Expected `array`, got `str` - at `$[1].bbox`', dict(QUERY, bbox='wide')),
        ('missing required field `bbox` - at `$[1]`', dict(file_name='0.jpg', person_id=4)),
        ('query 1 (x.jpg) is not in a picture of', dict(QUERY, file_name='x.jpg')),
        (
            'query 1 (0.jpg) has bbox [5.0, 5.0, 0.5, 9.0], less than',
            dict(QUERY, bbox=[5, 5, 0.5, 9]),
        ),
        ('query 1 (0.jpg) has bbox [160.0, 0.0', dict(QUERY, bbox=[160, 0, 5, 5])),
        ('wholly outside its 160x90 picture', dict(QUERY, bbox=[3, -50, 5, 50])),
    ],
)
def test_wrong_queries_are_one_line(tmp_path, said, query):
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        queries_of(tmp_path, [QUERY, query])
    assert str(error.value).startswith(f'{tmp_path / "queries.json"}: ')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'text, said',
    [
        ('{}', 'Expected `array`, got `object`'),
        ('[]', 'holds no query'),
        ('[null]', 'Expected `object`, got `null` - at `$[0]`'),
        ('[' * 200_000, 'queries.json: '),
        ('[{', 'truncated or not json'),
    ],
)
def test_what_is_no_query_file_is_one_line(tmp_path, text, said):
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        queries_of(tmp_path, text)
    assert 'queries.json' in str(error.value) and '\n' not in str(error.value)


def test_changed_query_files_are_one_line(tmp_path):
    found, _ = queries_of(tmp_path, [QUERY] * 3)
    path = tmp_path / 'queries.json'
    assert check_reader(path, lambda path: read_queries(path, found.images, 'x'), 600) > 300
