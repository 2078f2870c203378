import hashlib
import json
import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmdet_ps.datasets.synthetic import Settings, make_dataset, plan_scenes
from mmdet_ps.datasets.synthetic import generate as module

TOOL = Path(__file__).parents[3] / 'tools' / 'dataset_converters' / 'make_synthetic.py'


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def test_same_seed_same_bytes_for_any_number_of_workers(cuhk_sysu, small, tmp_path):
    root, counts = cuhk_sysu
    assert make_dataset(small, tmp_path / 'again', workers=2) == counts
    assert digests(tmp_path / 'again') == digests(root)


def test_another_seed_other_pictures(cuhk_sysu, small, tmp_path):
    root, _ = cuhk_sysu
    make_dataset(replace(small, seed=4), tmp_path / 'other', workers=2)
    first, second = digests(root), digests(tmp_path / 'other')
    assert first.keys() == second.keys()
    assert not [
        name for name in first if name != 'annotation/pool.mat' and first[name] == second[name]
    ]


def test_people_and_casts_follow_the_seed(small):
    first, again, other = (plan_scenes(replace(small, seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert first[0] != other[0]
    assert [plan.cast for plan in first[1]] != [plan.cast for plan in other[1]]


def test_scenes_and_cameras_follow_the_seed_each(small, tmp_path, monkeypatch):
    """Of two seeds: with the same cameras other scenes, with the same scenes other cameras."""

    def pictures(seed, **replaced):
        settings = replace(small, seed=seed)
        identities, plans = plan_scenes(small)
        with monkeypatch.context() as patch:
            for name, value in replaced.items():
                patch.setattr(module, name, value)
            folder = tmp_path / f'{len(list(tmp_path.iterdir()))}'
            (folder / 'Image' / 'SSM').mkdir(parents=True)
            shown = [module._render(folder, settings, identities, plan) for plan in plans[:2]]
        drawn = [path.read_bytes() for path in sorted((folder / 'Image' / 'SSM').iterdir())]
        return [scene.boxes.tolist() for scene in shown], drawn

    camera, render = module._camera, module.render_scene
    boxes, drawn = pictures(3)
    assert pictures(3) == (boxes, drawn)
    other_scenes, _ = pictures(4, _camera=lambda seed, *rest: camera(3, *rest))
    assert all(one != other for one, other in zip(boxes, other_scenes, strict=True))

    def same_scene(seeds, *rest):
        return render(np.random.SeedSequence(3, spawn_key=seeds.spawn_key), *rest)

    assert pictures(3, render_scene=same_scene)[1] == drawn
    _, other_light = pictures(4, render_scene=same_scene)
    assert all(one != other for one, other in zip(drawn, other_light, strict=True))


def test_layouts_show_the_same_pictures(cuhk_sysu, prw):
    first = sorted(v for k, v in digests(cuhk_sysu[0]).items() if k.endswith('.jpg'))
    second = sorted(v for k, v in digests(prw[0]).items() if k.endswith('.jpg'))
    assert first == second
    assert cuhk_sysu[1] == prw[1]


def test_cast_of_the_default_data():
    settings = Settings('cuhk_sysu', 480, 160, 320, 480, 288, 0)
    identities, plans = plan_scenes(settings)
    assert len(identities) == 320
    cast = [pid for plan in plans for pid in plan.cast]
    assert 0.25 < cast.count(-1) / len(cast) < 0.35
    by_split = {
        split: {pid for plan in plans if plan.split == split for pid in plan.cast} - {-1}
        for split in ('train', 'test')
    }
    assert by_split == {'train': set(range(240)), 'test': set(range(240, 320))}
    for plan in plans:
        known = [pid for pid in plan.cast if pid >= 0]
        assert len(set(known)) == len(known) >= 1
    assert min(cast.count(pid) for pid in range(320)) >= 3


def test_nothing_is_left_of_a_run_that_fails(small, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setitem(module.WRITERS, 'cuhk_sysu', stop)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(small, tmp_path / 'data')
    assert list(tmp_path.iterdir()) == []


def test_force_replaces_what_was_made_here_and_nothing_else(small, tmp_path):
    out = tmp_path / 'data'
    out.mkdir()
    (out / 'thesis.txt').write_text('mine')
    with pytest.raises(ValueError, match='not empty'):
        make_dataset(small, out)
    with pytest.raises(ValueError, match='was not made here'):
        make_dataset(small, out, force=True)
    assert (out / 'thesis.txt').read_text() == 'mine'

    (out / module.MARKER).write_text('{}')
    make_dataset(small, out, workers=2, force=True)
    assert json.loads((out / module.MARKER).read_text())['seed'] == small.seed
    assert not (out / 'thesis.txt').exists()
    assert [path.name for path in tmp_path.iterdir()] == ['data']


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(layout='market'), 'cuhk_sysu, prw'),
        (dict(train_images=0), '--train-images 0'),
        (dict(test_images=50), '--test-images 50'),
        (dict(seed=-1), '--seed -1'),
        (dict(width=64), '--size 64x96'),
        (dict(width=2000), '--size 2000x96'),
        (dict(identities=1000), '--identities 1000'),
        (dict(identities=8), '--identities 8'),
        (dict(train_images=10), '--train-images 10: at least 11 are needed'),
        (dict(identities=1000), '--identities 1000: 15 to 44 fit into 30 training and 51 test'),
    ],
)
def test_settings_that_cannot_be_met(small, change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(small, **change)


def test_all_that_cannot_be_met_is_said_at_once():
    with pytest.raises(ValueError) as error:
        Settings('market', 8, 20, 5, 64, 64, -1)
    said = str(error.value)
    for part in ('market', '--train-images 8', '--test-images 20', '--seed -1', '--size 64x64'):
        assert part in said
    # What is said would do does.
    found = re.search(r'--identities 5: (\d+) to (\d+) fit into (\d+) .* (\d+) test', said)
    fewest, most, train, test = map(int, found.groups())
    for identities in (fewest, most):
        Settings('prw', train, test, identities, 160, 96, 0)
    for identities in (fewest - 1, most + 1):
        with pytest.raises(ValueError, match=f'identities {identities}: {fewest} to {most} fit'):
            Settings('prw', train, test, identities, 160, 96, 0)


@pytest.mark.parametrize('train', [11, 12, 30, 480])
@pytest.mark.parametrize('test', [51, 160, 5000])
def test_an_advice_can_always_be_given(train, test):
    with pytest.raises(ValueError, match=r'identities 0: (\d+) to (\d+) fit into') as error:
        Settings('prw', train, test, 0, 160, 96, 0)
    fewest, most = map(int, re.search(r': (\d+) to (\d+) fit', str(error.value)).groups())
    assert 12 <= fewest <= most
    for identities in (fewest, most):
        settings = Settings('prw', train, test, identities, 160, 96, 0)
        assert all(6 <= share for share in settings.split_identities())


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--size', 'large'], '--size large'),
        (['--identities', '5000'], '--identities 5000'),
        (['--workers', '0'], '--workers 0'),
    ],
)
def test_tool_ends_in_one_line_on_wrong_use(tmp_path, monkeypatch, capsys, arguments, message):
    out = tmp_path / 'data'
    monkeypatch.setattr(sys, 'argv', [str(TOOL), '--out', str(out), *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert stop.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith('error: ') and message in errors[0]
    assert not out.exists()


def test_tool_says_what_it_made(tmp_path, monkeypatch, capsys):
    arguments = '--layout prw --train-images 30 --test-images 51 --identities 40 --size 160x96'
    out = tmp_path / 'data'
    monkeypatch.setattr(sys, 'argv', [str(TOOL), '--out', str(out), *arguments.split()])
    runpy.run_path(str(TOOL), run_name='__main__')
    queries = (out / 'query_info.txt').read_text().count('\n')
    assert capsys.readouterr().out.endswith(f'{queries} queries\n')
    assert len(list((out / 'frames').iterdir())) == 81
