"""tools/train.py and tools/test_ps.py from the command line, in this process."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmdet_ps.core.results_io import load_results, save_results
from mmdet_ps.core.visualization.people import draw_detections, save_picture
from mmdet_ps.utils.cli import STOPPED_EARLY

from ..apis import test_train_resume  # noqa: F401  registers TermAt
from ..apis.tiny_run import CONFIG, write_data

TOOLS = Path(__file__).parents[2] / 'tools'


def call(tool, *arguments):
    """Run a tool as ``python tools/TOOL ARGUMENTS`` would."""
    before = sys.argv
    sys.argv = [tool, *map(str, arguments)]
    try:
        runpy.run_path(str(TOOLS / tool), run_name='__main__')
    finally:
        sys.argv = before


def refused(capsys, tool, *arguments):
    """The one line with which a tool refuses its input."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        call(tool, *arguments)
    captured = capsys.readouterr()
    assert stopped.value.code == 2, captured.err
    lines = [line for line in captured.err.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1 and 'Traceback' not in captured.err, captured.err
    return lines[0]


def options(data, **more):
    """``--cfg-options`` that point the shipped config at `write_data`'s pictures."""
    values = {}
    for part in ('train', 'val', 'test'):
        values |= {
            f'data.{part}.type': 'PersonSearchDataset',
            f'data.{part}.data_root': data,
            f'data.{part}.ann_file': 'train.json',
            f'data.{part}.img_prefix': 'pics',
            f'data.{part}.gallery_sizes': 'all',
        }
        if part != 'train':
            values[f'data.{part}.query_file'] = 'queries.json'
    values |= {
        'data.workers_per_gpu': 0,
        'data.persistent_workers': False,
        'data.samples_per_gpu': 5,
        'runner.max_epochs': 1,
        'lr_config.warmup_iters': 1,
        'model.backbone.base_channels': 8,
        'model.neck.in_channels': '16,32,64',
        'log_level': 'WARNING',
        'evaluation.interval': 1,
        'evaluation.gallery_sizes': 'all',
    }
    values |= {key.replace('__', '.'): value for key, value in more.items()}
    return ['--cfg-options', *(f'{key}={value}' for key, value in values.items())]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Data, and a model trained on it for one epoch from the command line."""
    root = tmp_path_factory.mktemp('cli')
    write_data(root / 'data')
    call('train.py', CONFIG, '--work-dir', root / 'run', '--seed', 3, *options(root / 'data'))
    return root


@pytest.fixture
def data(trained, tmp_path):
    """A copy of the data, to be spoilt."""
    shutil.copytree(trained / 'data', tmp_path / 'data')
    return tmp_path / 'data'


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_training_leaves_a_checkpoint_and_the_best_one(trained):
    names = {path.name for path in (trained / 'run').iterdir()}
    assert {'epoch_1.pth', 'latest.pth', 'alignps_tiny.py'} <= names
    meta = torch.load(trained / 'run/epoch_1.pth', weights_only=True)['meta']
    assert meta['epoch'] == 1 and meta['seed'] == 3


def test_saved_results_evaluate_to_the_same_numbers(trained, tmp_path, capsys):
    checkpoint, out = trained / 'run/latest.pth', tmp_path / 'results.npz'
    common = options(trained / 'data')
    call('test_ps.py', CONFIG, checkpoint, '--out', out, '--json', tmp_path / 'a.json', *common)
    assert 'mAP' in capsys.readouterr().out
    call('test_ps.py', CONFIG, '--results', out, '--json', tmp_path / 'b.json', *common)
    assert (tmp_path / 'a.json').read_text() == (tmp_path / 'b.json').read_text()
    results = load_results(out)
    assert [result['img_name'] for result in results] == [f'{i}.jpg' for i in range(10)]
    assert set(results[0]) == {'bboxes', 'feats', 'img_name'}


def test_people_are_drawn_into_a_folder(trained, tmp_path, capsys):
    boxes = np.array([[5, 5, 40, 60, 0.9], [50, 5, 80, 60, 0.21], [1, 1, 9, 9, 0.19]], np.float32)
    result = dict(bboxes=boxes, feats=dict(alignps=np.ones((3, 4), np.float32)))
    names = [f'{i}.jpg' for i in range(10)]
    save_results(tmp_path / 'a.npz', [dict(result, img_name=name) for name in names])
    common = ('--results', tmp_path / 'a.npz', '--score-thr', 0.2, *options(trained / 'data'))
    call('test_ps.py', CONFIG, *common, '--show-dir', tmp_path / 'shown')
    assert sorted(path.name for path in (tmp_path / 'shown').iterdir()) == names
    for name in (names[0], names[7]):
        scene = cv2.imread(str(trained / 'data/pics' / name))
        save_picture(tmp_path / 'wanted.jpg', draw_detections(scene, boxes[:2]))
        assert (tmp_path / 'shown' / name).read_bytes() == (tmp_path / 'wanted.jpg').read_bytes()
    (tmp_path / 'file').touch()
    line = refused(capsys, 'test_ps.py', CONFIG, *common, '--show-dir', tmp_path / 'file')
    assert str(tmp_path / 'file') in line


def test_saved_results_need_no_pictures(trained, data, tmp_path, capsys):
    out = tmp_path / 'results.npz'
    call('test_ps.py', CONFIG, trained / 'run/latest.pth', '--out', out, *options(trained / 'data'))
    shutil.rmtree(data / 'pics')
    call('test_ps.py', CONFIG, '--results', out, *options(data))
    assert 'mAP' in capsys.readouterr().out


def test_unwritable_outputs_are_found_before_the_test(tmp_path, capsys):
    for option, name in (
        ('--out', 'a.npz'),
        ('--json', 'a'),
        ('--csv', 'a'),
        ('--save-ranking', 'a'),
    ):
        folder = tmp_path / option / name
        folder.mkdir(parents=True)
        line = refused(capsys, 'test_ps.py', CONFIG, 'no_such.pth', option, folder)
        assert str(folder) in line and 'name of a file' in line


def test_config_speaks_to_the_evaluator(trained, tmp_path):
    out, numbers = tmp_path / 'results.npz', tmp_path / 'a.json'
    said = dict(evaluation__class_weighted=True, evaluation__skip_repeated=True)
    common = options(trained / 'data', **said)
    checkpoint = trained / 'run/latest.pth'
    call('test_ps.py', CONFIG, checkpoint, '--out', out, '--json', numbers, *common)
    settings = json.loads(numbers.read_text())['settings']
    assert settings['class_weighted'] and settings['skip_repeated']


def test_training_searches_with_the_queries_boxes(trained, tmp_path):
    common = options(trained / 'data', evaluation__query_feature='gt_box')
    call('train.py', CONFIG, '--work-dir', tmp_path / 'run', *common)
    assert (tmp_path / 'run/epoch_1.pth').is_file()


def test_given_boxes_and_other_outputs(trained, tmp_path, capsys):
    checkpoint, common = trained / 'run/latest.pth', options(trained / 'data')
    out = tmp_path / 'gt.npz'
    call(
        'test_ps.py', CONFIG, checkpoint, '--use-gt-boxes', '--query-feature', 'gt_box',
        '--out', out, '--csv', tmp_path / 'a.csv', '--save-ranking', tmp_path / 'r.npz', *common,
    )  # fmt: skip
    (result,) = [r for r in load_results(out) if r['img_name'] == '0.jpg']
    assert result['bboxes'].tolist() == [[4, 6, 20, 46, 1], [22, 8, 38, 48, 1]]
    assert result['query_boxes'].tolist() == [[22, 8, 38, 48]]
    # The query's box is the second annotated one, so its feature is too.
    assert abs(result['query_feats']['alignps'] - result['feats']['alignps'][1:]).max() < 1e-5
    assert (tmp_path / 'a.csv').read_text().startswith('protocol,feature,mAP')
    assert (tmp_path / 'r.npz').is_file()
    assert 'recall 100.00' in capsys.readouterr().out


def test_stopped_training_has_an_exit_code_of_its_own(trained, tmp_path, capsys):
    """So that nobody takes it for finished; started again, it is."""
    config = tmp_path / 'stops.py'
    base = TOOLS.parent / 'configs/synthetic/alignps_tiny.py'
    config.write_text(f"_base_ = {str(base)!r}\ncustom_hooks = [dict(type='TermAt', at=0)]\n")
    common = ['--work-dir', tmp_path / 'run', '--auto-resume', '--no-validate']
    with pytest.raises(SystemExit) as stopped:
        call('train.py', config, *common, *options(trained / 'data'))
    assert stopped.value.code == STOPPED_EARLY
    assert '--auto-resume goes on from there' in capsys.readouterr().err
    assert (tmp_path / 'run/latest.pth').resolve().name == 'stopped.pth'
    call('train.py', config, *common, *options(trained / 'data'))
    assert (tmp_path / 'run/latest.pth').resolve().name == 'epoch_1.pth'


@pytest.mark.parametrize('tool', ['train.py', 'test_ps.py'])
@pytest.mark.parametrize(
    'text, said',
    [
        ('data = dict(test=dict(gallery_size=50))', 'data.test.gallery_size'),
        ('model = dict(nek=dict(type="AFA"))', 'model.nek'),
        ('evaluation = dict(cbgm=3)', 'evaluation.cbgm=3'),
        ('evaluation = dict(clas_weighted=True)', 'class_weighted'),
    ],
)
def test_misspelt_config_file_is_one_line(tmp_path, capsys, tool, text, said):
    config = tmp_path / 'own.py'
    base = TOOLS.parent / 'configs/synthetic/alignps_tiny.py'
    config.write_text(f'_base_ = {str(base)!r}\n{text}\n')
    line = refused(capsys, tool, config, *(['x.pth'] if tool == 'test_ps.py' else []))
    assert f'{config}: ' in line and said in line


def test_progress_goes_to_stderr_alone(trained, capsys):
    capsys.readouterr()
    call('test_ps.py', CONFIG, trained / 'run/latest.pth', *options(trained / 'data'))
    captured = capsys.readouterr()
    assert 'task/s' not in captured.out and '[>' not in captured.out
    # Not even there, in a log, where the test takes less than half a minute.
    assert 'testing' not in captured.err


def train(capsys, data, tmp_path, *arguments, **more):
    return refused(
        capsys, 'train.py', CONFIG, '--work-dir', tmp_path / 'w', *arguments, *options(data, **more)
    )


def test_identity_beyond_the_table(data, tmp_path, capsys):
    more = dict(model__bbox_head__loss_reid__oim__num_pids=2)
    line = train(capsys, data, tmp_path, **more)
    assert '4 identities' in line and 'loss_reid.oim.num_pids=4' in line
    assert not (tmp_path / 'w').exists()


def test_annotation_without_identity(data, tmp_path, capsys):
    edit(data / 'train.json', lambda c: c['annotations'][3].pop('person_id'))
    line = train(capsys, data, tmp_path)
    assert 'train.json' in line and 'person_id' in line and '3' in line
    assert not (tmp_path / 'w').exists()


def test_box_outside_the_picture(data, tmp_path, capsys):
    edit(data / 'train.json', lambda c: c['annotations'][3].update(bbox=[500, 6, 16, 40]))
    line = train(capsys, data, tmp_path)
    assert 'train.json' in line and '500' in line


def test_empty_training_set(data, tmp_path, capsys):
    edit(data / 'train.json', lambda c: c['annotations'].clear())
    assert 'train.json' in train(capsys, data, tmp_path)


def test_missing_json_and_picture(data, tmp_path, capsys):
    (data / 'pics/3.jpg').unlink()
    assert '3.jpg' in train(capsys, data, tmp_path)
    (data / 'train.json').unlink()
    assert 'train.json' in train(capsys, data, tmp_path)


def test_truncated_json(data, tmp_path, capsys):
    text = (data / 'train.json').read_text()
    (data / 'train.json').write_text(text[: len(text) // 2])
    assert 'train.json' in train(capsys, data, tmp_path)


def test_truncated_picture_at_test(trained, data, capsys):
    picture = data / 'pics/3.jpg'
    picture.write_bytes(picture.read_bytes()[:200])
    line = refused(capsys, 'test_ps.py', CONFIG, trained / 'run/latest.pth', *options(data))
    assert '3.jpg' in line


def test_checkpoint_of_another_model(trained, capsys):
    line = refused(
        capsys, 'test_ps.py', CONFIG, trained / 'run/latest.pth',
        *options(trained / 'data', model__neck__output='conv3x3'),
    )  # fmt: skip
    assert 'latest.pth' in line and 'neck.fpn_convs' in line


def test_missing_and_broken_checkpoint(trained, tmp_path, capsys):
    common = options(trained / 'data')
    assert 'none.pth' in refused(capsys, 'test_ps.py', CONFIG, tmp_path / 'none.pth', *common)
    whole = (trained / 'run/latest.pth').read_bytes()
    (tmp_path / 'half.pth').write_bytes(whole[: len(whole) // 2])
    assert 'half.pth' in refused(capsys, 'test_ps.py', CONFIG, tmp_path / 'half.pth', *common)


def test_results_of_another_dataset(trained, data, tmp_path, capsys):
    out = tmp_path / 'results.npz'
    call('test_ps.py', CONFIG, trained / 'run/latest.pth', '--out', out, *options(trained / 'data'))
    edit(data / 'train.json', lambda c: c['images'].pop())
    edit(data / 'train.json', lambda c: [c['annotations'].pop() for _ in range(3)])
    line = refused(capsys, 'test_ps.py', CONFIG, '--results', out, *options(data))
    assert '10 results for 9 images' in line


def test_unknown_option_and_config(tmp_path, capsys):
    line = refused(capsys, 'train.py', CONFIG, '--cfg-options', 'optimizer.rl=1')
    assert 'optimizer.rl' in line and 'lr' in line
    assert 'nowhere.py' in refused(capsys, 'test_ps.py', 'nowhere.py', 'x.pth')


def test_pretrained_file_that_is_not_there(data, tmp_path, capsys):
    more = {'model__backbone__init_cfg__checkpoint': tmp_path / 'none.pth'}
    line = refused(
        capsys, 'train.py', CONFIG, '--work-dir', tmp_path / 'w',
        *options(data, model__backbone__init_cfg__type='Pretrained', **more),
    )  # fmt: skip
    assert 'none.pth' in line
