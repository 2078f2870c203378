"""The json files of a dataset, decoded into typed records, and the one rule of who counts in them.

A person counts, in training, detection and search alike, who is of the category ``person``, is not
marked ``iscrowd`` or ``ignore``, and whose box is at least a pixel wide and high (``has_area``).
``area`` is never read. Whoever is left out is counted.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct
from msgspec.structs import asdict

from ..core.evaluation.protocol import People, SearchProtocol, camera_of, to_xyxy
from ..utils.pictures import box_position, has_area

NO_IDENTITY = -1
CONVERT = (
    'write it with tools/dataset_converters/{cuhk_sysu,prw}.py ROOT, '
    'or correct data_root and ann_file'
)
_QUERIES = 'give data.test.query_file as a list of {"file_name", "bbox", "person_id"}'
# What a json reader of any language keeps exactly; and pixels that can be added up in int32.
Id = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Pixels = Annotated[float, Meta(ge=-1e9, le=1e9)]
Length = Annotated[int, Meta(ge=1, le=10**9)]
Text = Annotated[str, Meta(min_length=1)]
Box = tuple[Pixels, Pixels, Pixels, Pixels]
Flag = bool | int | None
Kind = TypeVar('Kind')


class Category(Struct):
    """Class of what is annotated; one is named ``person``."""

    id: Id
    name: str


class Image(Struct):
    """A picture; ``cam_id`` is the number of its camera where it is known."""

    id: Id
    file_name: Text
    width: Length
    height: Length
    cam_id: Annotated[int, Meta(ge=-(10**9), le=10**9)] | None = None


class Person(Struct):
    """An annotated box x y w h in pixels; a negative ``person_id`` is no identity."""

    id: Id
    image_id: Id
    category_id: Id
    bbox: Box
    person_id: Id
    iscrowd: Flag = None
    ignore: Flag = None


class Content(Struct):
    """The COCO-style annotation file; other keys are passed over, here and in the records."""

    images: list[Image]
    annotations: list[Person]
    categories: list[Category]


class Query(Struct):
    """Somebody to search for, as annotated in one of the pictures."""

    file_name: Text
    bbox: Box
    person_id: Annotated[int, Meta(ge=0, le=2**53)]


@dataclass
class Annotations:
    """What counts of an annotation file.

    Attributes:
        images: the pictures, in the file's order.
        people: those who count, in the file's order.
        left_out: one line on those who do not; empty where there is none.
    """

    images: list[Image]
    people: list[Person]
    left_out: str

    def to_coco(self) -> dict[str, list[dict]]:
        """The content of a COCO json with the one category 1."""
        people = [
            dict(asdict(person), category_id=1, area=person.bbox[2] * person.bbox[3])
            for person in self.people
        ]
        images = [asdict(image) for image in self.images]
        categories = [dict(id=1, name='person')]
        return dict(images=images, annotations=people, categories=categories)

    def search_protocol(
        self, queries: Sequence[tuple[int, int, np.ndarray]], cameras: str
    ) -> SearchProtocol:
        """Search for ``queries`` (of ``read_queries``) in all pictures; see ``from_people``."""
        places = {image.id: place for place, image in enumerate(self.images)}
        known = [person for person in self.people if person.person_id >= 0]
        people = People(
            np.array([places[person.image_id] for person in known], dtype=np.int64),
            np.array([person.person_id for person in known], dtype=np.int64),
            to_xyxy(np.array([person.bbox for person in known]).reshape(-1, 4)),
        )
        names = [image.file_name for image in self.images]
        cams = [
            camera_of(image.file_name) if image.cam_id is None else image.cam_id
            for image in self.images
        ]
        return SearchProtocol.from_people(names, queries, people, cameras, cams)


def read_json(path: str | os.PathLike, kind: type[Kind], cure: str) -> Kind:
    """Decode a json file; ``cure`` ends the message where it is missing or of another kind.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where the file is truncated, not json, or not of that kind: names the place.
    """
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=kind)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such file; {cure}') from None
    except msgspec.ValidationError as error:
        raise ValueError(f'{path}: {error}; correct it, or {cure}') from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path}: truncated or not json ({error}); write it again') from None


def read_annotations(path: str | os.PathLike) -> Annotations:
    """Read an annotation file whole and check it once.

    Boxes that stick out of their picture are allowed: they occur in the official releases.

    Raises:
        FileNotFoundError, ValueError: where the file is missing, or at the first part that is
            wrong; names it and the cure.
    """
    content = read_json(path, Content, CONVERT)
    _check_unique(path, 'category id', [category.id for category in content.categories])
    _check_unique(path, 'image id', [image.id for image in content.images])
    _check_unique(path, 'picture', [image.file_name for image in content.images])
    _check_unique(path, 'annotation id', [person.id for person in content.annotations])
    names = [category.name for category in content.categories]
    if names.count('person') != 1:
        raise ValueError(
            f"{path}: categories are {names}; give it one {{'id': 1, 'name': 'person'}}"
        )
    person_category = content.categories[names.index('person')].id
    images = {image.id: image for image in content.images}
    boxes = np.array([person.bbox for person in content.annotations]).reshape(-1, 4)
    people, left_out = [], Counter[str]()
    for person, area in zip(content.annotations, has_area(boxes).tolist(), strict=True):
        if person.image_id not in images:
            raise ValueError(
                f'{path}: annotation {person.id} belongs to image {person.image_id}, '
                f"which is not in 'images'; add the image or drop the annotation"
            )
        if person.category_id != person_category:
            left_out['of another category'] += 1
        elif person.ignore:
            left_out['marked ignore'] += 1
        elif person.iscrowd:
            left_out['marked iscrowd'] += 1
        elif not area:
            left_out['less than a pixel wide or high'] += 1
        else:
            image = images[person.image_id]
            where = f'{path}: annotation {person.id} ({image.file_name})'
            _check_inside(person.bbox, image, where)
            people.append(person)
    reasons = ', '.join(f'{count} {reason}' for reason, count in left_out.items())
    note = f'{path}: {left_out.total()} of {len(boxes)} annotations are left out: {reasons}'
    return Annotations(content.images, people, note if left_out else '')


def read_queries(
    path: str | os.PathLike, images: Sequence[Image], ann_file: str | os.PathLike
) -> list[tuple[int, int, np.ndarray]]:
    """Read a query file: place in ``images``, identity and (4,) int32 xyxy box of each query.

    Raises:
        FileNotFoundError, ValueError: where the file is missing, or at the first query that is
            wrong; names it.
    """
    queries = read_json(path, list[Query], _QUERIES)
    if not queries:
        raise ValueError(f'{path}: holds no query; {_QUERIES}')
    places = {image.file_name: place for place, image in enumerate(images)}
    found = []
    for number, query in enumerate(queries):
        where = f'{path}: query {number} ({query.file_name})'
        if query.file_name not in places:
            raise ValueError(f'{where} is not in a picture of {ann_file}; correct one of them')
        place = places[query.file_name]
        if not has_area(query.bbox):
            raise ValueError(f'{where} has bbox {list(query.bbox)}, less than a pixel; correct it')
        _check_inside(query.bbox, images[place], where)
        found.append((place, query.person_id, to_xyxy(query.bbox)))
    return found


def _check_unique(path: str | os.PathLike, what: str, values: Sequence) -> None:
    value, count = Counter(values).most_common(1)[0] if values else (None, 1)
    if count > 1:
        raise ValueError(f'{path}: {what} {value} occurs twice; give each once')


def _check_inside(box: Box, image: Image, where: str) -> None:
    if box_position(box, image.width, image.height) == 'outside':
        raise ValueError(
            f'{where} has bbox {list(box)}, wholly outside its {image.width}x{image.height} '
            f'picture; correct or drop it'
        )
