"""Fig. 10: each model's own boxes beside the queries, cut out of their own pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_ps.core.evaluation import load_rankings, save_rankings
from mmdet_ps.core.visualization import most_different
from mmdet_ps.core.visualization.comparison import QUERY
from mmdet_ps.core.visualization.rankings import RIGHT, WRONG
from mmdet_ps.core.visualization.sheet import crop

from ..search_tools import CONFIG, refused, run

TOOL = 'analysis/compare_search.py'


@pytest.fixture(scope='module')
def rankings(searched, tmp_path_factory):
    """Ranking files of a model with one feature, and of one that has noise besides."""
    options, file = searched
    folder = tmp_path_factory.mktemp('rankings')
    for name, results in (('one', file), ('two', file.parent / 'two.npz')):
        saved = ('--results', results, '--save-ranking', folder / f'{name}.npz')
        run('test_ps.py', CONFIG, *saved, '--gallery-sizes', 50, 'all', '--cfg-options', *options)
    return folder


def test_cells_of_each_model(searched, rankings, tmp_path, capsys):
    options, _ = searched
    out = tmp_path / 'a.png'
    files = [rankings / 'one.npz', rankings / 'two.npz', rankings / 'two.npz']
    run(
        TOOL, CONFIG, *files, '--labels', 'one', 'noise', 'both', '--queries', 3, '--features',
        'alignps', 'noise', 'concatenation', '--out', out, '--cfg-options', *options,
    )  # fmt: skip
    noise, _, both = load_rankings(files[1])[:3]
    found = [load_rankings(files[0])[0], noise, both]
    assert [r.feature for r in found] == ['alignps', 'noise', 'concatenation']
    chosen = most_different(found)[:3]
    assert capsys.readouterr().out == f'{out}: queries {", ".join(map(str, chosen))} of 3 models\n'
    # Right and wrong are both among the best boxes of each of them.
    assert all(len({bool(r.top_right[query, 0]) for r in found}) == 2 for query in chosen)
    (folder,) = {
        p.parent for p in Path(options[0].split('=')[1]).rglob(str(found[0].image_names[0]))
    }
    picture = cv2.imread(str(out))
    height = 2 * 20 + 230 + 24
    for row, query in enumerate(chosen):
        first = found[0]
        asked = [(first, first.query_images[query], first.query_boxes[query], QUERY)]
        for r in found:
            colour = RIGHT if r.top_right[query, 0] else WRONG
            asked.append((r, r.top_images[query, 0], r.top_boxes[query, 0], colour))
        for column, (r, image, box, colour) in enumerate(asked):
            scene = cv2.imread(str(folder / str(r.image_names[image])))
            y = picture.shape[0] - (3 - row) * height + 12 + 40
            part = picture[y : y + 230, 12 + column * 162 :][:, :150]
            assert np.array_equal(part, crop(scene, box, colour))


def test_named_queries_and_protocol(searched, rankings, tmp_path, capsys):
    options, _ = searched
    out = tmp_path / 'a.png'
    files = (rankings / 'one.npz', rankings / 'two.npz')
    run(
        TOOL, CONFIG, *files, '--queries', '5,2', '--topk', 4, '--protocol', 'all', '--show',
        'scores', '--out', out, '--cfg-options', *options,
    )  # fmt: skip
    assert 'queries 5, 2 of 2 models' in capsys.readouterr().out
    assert cv2.imread(str(out)).shape[1] == 12 + (1 + 2 * 4) * 162


def test_wrong_input_is_one_line(searched, rankings, tmp_path, capsys):
    options, file = searched
    one, two, other = rankings / 'one.npz', rankings / 'two.npz', tmp_path / 'other.npz'
    moved = load_rankings(one)
    for ranking in moved:
        ranking.query_pids[4] += 1
    save_rankings(other, moved)
    elsewhere, out = tmp_path / 'elsewhere.npz', ('--out', tmp_path / 'a.png')
    save_rankings(elsewhere, load_rankings(one)[1:])
    for arguments, told in (
        ((one, other, *out), 'one and other cannot be compared: query 4'),
        ((one, elsewhere, *out), 'searched is G50 in one and all in the other'),
        ((one, elsewhere, *out, '--protocol', 'G50'), 'elsewhere.npz: no ranking of'),
        ((one, two, *out, '--features', 'noise'), 'one.npz: no ranking of --feature noise'),
        ((one, two, *out, '--features', 'a', 'b', 'c'), '--features: 3 for 2 rankings'),
        ((one, one, *out), 'different --labels'),
        ((one, two, *out, '--labels', 'a'), 'different --labels'),
        ((one, two, *out, '--topk', '11'), '--topk 11: must be 1 to 10'),
        ((one, two, *out, '--topk', '0'), '--topk 0: must be 1 to 10'),
        ((one, two, *out, '--queries', '999'), '--queries 999'),
        ((one, two, *out, '--queries', '999,'), 'no query 999'),
        ((one, two, *out, '--queries', 'all'), '--queries all'),
        ((one, two, '--out', tmp_path / 'a.pdf'), 'a.pdf: must end in .png or .jpg'),
        ((one, file, *out), 'not a ranking file'),
        ((one, tmp_path / 'none.npz', *out), 'none.npz'),
    ):
        assert told in refused(capsys, TOOL, CONFIG, *arguments, '--cfg-options', *options)
    assert not (tmp_path / 'a.png').exists()
