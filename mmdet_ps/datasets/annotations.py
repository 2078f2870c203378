"""The COCO-style annotation file: read whole, checked once, every complaint one line."""

import json
import math
import os
import warnings
from typing import Any

from ..utils.pictures import box_position

NO_IDENTITY = -1
CONVERT = (
    'write it with tools/dataset_converters/{cuhk_sysu,prw}.py ROOT, '
    'or correct data_root and ann_file'
)


def read_json(path: str | os.PathLike, cure: str) -> Any:
    """Read a json file; ``cure`` ends the message where it is missing.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where the file is truncated or not json.
    """
    try:
        with open(path, encoding='utf-8') as stream:
            return json.load(stream)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such file; {cure}') from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: truncated or not json ({error}); write it again') from None


def check_annotations(data: Any, path: str) -> None:
    """Check what ``PersonSearchDataset`` relies on.

    Boxes without area are counted in a warning (they are left out later) and boxes that stick out
    of their picture are allowed: both occur in the official releases.

    Args:
        data: the decoded file: ``categories`` with a ``person``; ``images`` (id, file_name, width,
            height); ``annotations`` (id, image_id, category_id, bbox ``[x y w h]`` in pixels,
            person_id).
        path: what messages call the file.

    Raises:
        ValueError: at the first part that is missing or wrong; names it and the cure.
    """
    if not isinstance(data, dict):
        raise ValueError(
            f'{path}: holds a {type(data).__name__}, not a COCO-style object; {CONVERT}'
        )
    for key in ('images', 'annotations', 'categories'):
        if not isinstance(data.get(key), list):
            raise ValueError(f'{path}: has no list {key!r}; {CONVERT}')
    categories = [category.get('name') for category in data['categories']]
    if 'person' not in categories:
        raise ValueError(
            f"{path}: categories are {categories}; give it {{'id': 1, 'name': 'person'}}"
        )
    _check_images(data['images'], path)
    _check_people(data, path)


def _check_images(images: list[dict], path: str) -> None:
    ids, names = set(), set()
    for place, image in enumerate(images):
        lacking = [key for key in ('id', 'file_name', 'width', 'height') if key not in image]
        if lacking:
            raise ValueError(f'{path}: images[{place}] has no {lacking[0]!r}; add it')
        if image['id'] in ids:
            raise ValueError(f'{path}: image id {image["id"]} occurs twice; make ids unique')
        if image['file_name'] in names:
            raise ValueError(
                f'{path}: {image["file_name"]} is listed twice; keep one entry a picture'
            )
        ids.add(image['id'])
        names.add(image['file_name'])


def _check_people(data: dict, path: str) -> None:
    images = {image['id']: image for image in data['images']}
    ids, no_area = set(), 0
    for place, person in enumerate(data['annotations']):
        lacking = [key for key in ('id', 'image_id', 'category_id', 'bbox') if key not in person]
        if lacking:
            raise ValueError(f'{path}: annotations[{place}] has no {lacking[0]!r}; add it')
        if person['id'] in ids:
            raise ValueError(f'{path}: annotation id {person["id"]} occurs twice; make ids unique')
        ids.add(person['id'])
        if person['image_id'] not in images:
            raise ValueError(
                f'{path}: annotation {person["id"]} belongs to image {person["image_id"]}, '
                f"which is not in 'images'; add the image or drop the annotation"
            )
        image = images[person['image_id']]
        where = f'{path}: annotation {person["id"]} ({image["file_name"]})'
        _check_pid(person, where)
        box = person['bbox']
        if not is_box(box):
            raise ValueError(
                f'{where} has bbox {box}; give four finite numbers [x, y, width, height]'
            )
        if box[2] <= 0 or box[3] <= 0:
            no_area += 1
            continue
        if box_position(box, image['width'], image['height']) == 'outside':
            raise ValueError(
                f'{where} has bbox {box}, wholly outside its {image["width"]}x{image["height"]} '
                f'picture; correct or drop it'
            )
    if no_area:
        warnings.warn(f'{path}: {no_area} boxes without area are left out', stacklevel=2)


def _check_pid(person: dict, where: str) -> None:
    if 'person_id' not in person:
        raise ValueError(
            f'{where} has no person_id; give 0 or more for an identity, -1 for a person without one'
        )
    pid = person['person_id']
    if not isinstance(pid, int) or isinstance(pid, bool):
        raise ValueError(f'{where} has person_id {pid!r}; give an integer (negative = no identity)')


def is_box(box: Any) -> bool:
    """Whether ``box`` is a list of four finite numbers."""
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(v, int | float) and math.isfinite(v) for v in box)
    )
