"""Reader of custom datasets: a COCO-style json with ``person_id`` and a query file beside it."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from .protocol import People, camera_of, to_xyxy

Query = tuple[int, int, np.ndarray]


def _load(path: str | os.PathLike, kind: type, what: str) -> Any:
    try:
        with open(path, encoding='utf-8') as stream:
            content = json.load(stream)
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is not valid json: {error}') from None
    if not isinstance(content, kind):
        raise ValueError(f'{path}: {what}')
    return content


def _box(xywh: Any, where: str) -> np.ndarray:
    try:
        return to_xyxy(xywh)
    except (TypeError, ValueError):
        raise ValueError(f'{where}: bbox must be [x, y, w, h], got {xywh!r}') from None


def read_coco(
    ann_file: str | os.PathLike, query_file: str | os.PathLike
) -> tuple[list[str], list[int | None], list[Query], People]:
    """Read the annotation file and the queries of a custom dataset.

    The annotation file is a COCO json whose annotations carry ``person_id`` (negative: no identity)
    and whose images may carry ``cam_id``. The query file is a json list of ``{"file_name", "bbox":
    [x, y, w, h], "person_id"}``.

    Returns:
        Image names, cameras, queries as (image index, pid, box), and the people with an identity.

    Raises:
        ValueError: where a file lacks a field or a query names an unknown image or no identity.
    """
    content = _load(ann_file, dict, 'expected an object with "images" and "annotations"')
    asked = _load(query_file, list, 'expected a list of {"file_name", "bbox", "person_id"}')
    try:
        names = [image['file_name'] for image in content['images']]
        index = {image['id']: i for i, image in enumerate(content['images'])}
        labelled = [a for a in content['annotations'] if a['person_id'] >= 0]
        images = np.array([index[a['image_id']] for a in labelled], np.int64)
    except KeyError as error:
        raise ValueError(f'{ann_file}: {error} is missing or names nothing') from None
    cams = [image.get('cam_id', camera_of(image['file_name'])) for image in content['images']]
    boxes = [_box(a.get('bbox'), f'{ann_file}, annotation {a.get("id")}') for a in labelled]
    pids = np.array([a['person_id'] for a in labelled], np.int64)
    people = People(images, pids, np.array(boxes, np.int32).reshape(-1, 4))
    places = {name: i for i, name in enumerate(names)}
    queries = []
    for i, query in enumerate(asked):
        where = f'{query_file}, query {i}'
        if not isinstance(query, dict) or {'file_name', 'bbox', 'person_id'} - set(query):
            raise ValueError(f'{where}: needs file_name, bbox and person_id, got {query!r}')
        if query['file_name'] not in places:
            raise ValueError(f'{where}: {query["file_name"]} is not an image of {ann_file}')
        if query['person_id'] < 0:
            raise ValueError(f'{where}: person_id {query["person_id"]} is not an identity (>= 0)')
        queries.append(
            (places[query['file_name']], int(query['person_id']), _box(query['bbox'], where))
        )
    return names, cams, queries, people
