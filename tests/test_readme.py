"""What the README tells people to type."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.datasets import build_dataset

from mmdet_ps.apis import load_config

ROOT = Path(__file__).parents[1]
PAGES = ['README.md', 'CONTRIBUTING.md', 'data/README.md', 'work_dirs/README.md']


@pytest.mark.parametrize('page', PAGES)
def test_named_files_exist(page):
    named = re.findall(
        r'(?<![\w/])(?:tools|configs|requirements)/[\w/.{},-]+\.(?:py|sh|txt)', page_text(page)
    )
    recipes = re.compile(r'NAME|TABLE|mine\.py')
    for path in {path for name in named for path in expand(name) if not recipes.search(path)}:
        assert (ROOT / path).is_file(), path


def page_text(page):
    return (ROOT / page).read_text()


def expand(name):
    """'a{b,c}d' to 'abd' and 'acd'."""
    found = re.fullmatch(r'(.*)\{(.*)\}(.*)', name)
    if not found:
        return [name]
    return [path for word in found[2].split(',') for path in expand(found[1] + word + found[3])]


def test_own_data_as_shown(tmp_path, monkeypatch):
    section = page_text('README.md').partition('## Your own data')[2]
    block = re.search(r'```python\n(.*?)```', section, re.DOTALL)[1]
    annotations, queries, config = re.split(r'^# .*\n', block, flags=re.MULTILINE)[1:]
    people, asked = json.loads(annotations), json.loads(queries)
    picture, person = people['images'][0], people['annotations'][0]
    # The same person in a second picture, to be found.
    people['images'].append({**picture, 'id': 1, 'file_name': 'b.jpg'})
    people['annotations'].append({**person, 'id': 1, 'image_id': 1, 'bbox': [100, 50, 60, 150]})

    folder = tmp_path / 'data/mine'
    (folder / 'pictures').mkdir(parents=True)
    for image in people['images']:
        scene = np.zeros((image['height'], image['width'], 3), np.uint8)
        cv2.imwrite(str(folder / 'pictures' / image['file_name']), scene)
    for name, content in dict(train=people, test=people, queries=asked).items():
        (folder / f'{name}.json').write_text(json.dumps(content))
    (tmp_path / 'mine.py').write_text(config.replace("'alignps/", f"'{ROOT}/configs/alignps/"))
    monkeypatch.chdir(tmp_path)
    cfg = load_config('mine.py')

    train = build_dataset(cfg.data.train)
    assert train[0]['gt_pids'].data.tolist() == [0]
    assert train.person_ids.tolist() == [person['person_id']]
    test = build_dataset(cfg.data.test, dict(test_mode=True))
    feats = dict(alignps=np.ones((1, 4), np.float32) / 2)
    boxes = ([10, 20, 90, 220, 0.9], [100, 50, 160, 200, 0.9])
    results = [dict(bboxes=np.array([box], np.float32), feats=feats) for box in boxes]
    options = {key: cfg.evaluation[key] for key in ('metric', 'score_thr')}
    assert test.evaluate(results, **options)['mAP'] == 1.0
    # Boxes that miss the person find nobody.
    results[1] = dict(bboxes=np.array([[900, 500, 960, 650, 0.9]], np.float32), feats=feats)
    assert test.evaluate(results, **options)['mAP'] == 0.0
