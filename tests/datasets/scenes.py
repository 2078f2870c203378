"""A small person search dataset on disk."""

import json

from ..releases.official import write_picture

PIPELINE = [dict(type='LoadSceneImage'), dict(type='LoadPersonAnnotations')]


def content(people, num_images=3, size=(160, 90)):
    """COCO-style content; ``people`` are (image, bbox, person_id)."""
    return dict(
        images=[
            dict(id=i, file_name=f'{i}.jpg', width=size[0], height=size[1])
            for i in range(num_images)
        ],
        annotations=[
            dict(id=n, image_id=i, category_id=1, bbox=list(box), person_id=pid)
            for n, (i, box, pid) in enumerate(people)
        ],
        categories=[dict(id=1, name='person')],
    )


PEOPLE = [
    (0, (10, 10, 20, 40), 4),
    (0, (50, 10, 20, 40), -2),
    (1, (12, 10, 20, 40), 4),
    (1, (70, 20, 25, 50), 0),
    (2, (30, 5, 20, 40), -1),
]


def write_scenes(root, data=None, name='train.json', pictures=True):
    data = content(PEOPLE) if data is None else data
    (root / name).write_text(json.dumps(data))
    if pictures:
        for image in data['images']:
            size = (image['width'], image['height'])
            write_picture(root / 'pics' / image['file_name'], size, seed=image['id'])
    return dict(type='PersonSearchDataset', data_root=str(root), ann_file=name, img_prefix='pics')
