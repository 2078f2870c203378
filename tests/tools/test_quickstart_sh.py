"""The order of the quickstart's steps and what is repeated when, with a stand-in for Python."""

import os
import shutil
import subprocess
import time

import pytest

from mmdet_ps.utils.cli import STOPPED_EARLY

from .shell import TOOLS, environ, program

# Writes what each step is to leave behind; fails where the file `fail` names the script, with the
# exit code in the file `code`.
PYTHON = r"""
echo "$*" >>ran
made=() tool=$1
case $tool in
  *make_synthetic.py) made=(data/synthetic/annotation/pool.mat) ;;
  *cuhk_sysu.py) made=(data/synthetic/train.json) ;;
  *train.py) ls "$4"/*.pth 2>/dev/null >found; made=("$4/latest.pth") ;;
  *yardsticks.py) echo "mAP of $(grep -c yardsticks ran)" ;;
  *) for argument in "$@"; do
      case $before in
        --out | --json | --save-ranking) made+=("$argument") ;;
        *) [[ $argument != work_dirs/* || -e $argument ]] || exit 3 ;;
      esac
      before=$argument
    done ;;
esac
for out in "${made[@]}"; do
  mkdir -p "$(dirname "$out")"
  touch "$out"
done
set -- "$tool"
[[ ! -f fail || $1 != *$(cat fail)* ]] || exit "$(cat code 2>/dev/null || echo 2)"
"""
STEPS = ['make_synthetic', 'cuhk_sysu', 'train', 'test_ps', 'visualize_search', 'yardsticks']
TRAINED = ['train', 'test_ps']
DRAWN = ['test_ps', 'sampling_locations', 'plot_features', 'compare_search', 'plot_gallery_curve']
CONFIGS = ['alignps_tiny', 'roi_alignps_tiny']
FIGURES = [*TRAINED, *DRAWN]


@pytest.fixture
def checkout(tmp_path):
    """A checkout of the scripts under test, with a set-up that only writes down its arguments."""
    (tmp_path / 'tools').mkdir()
    for name in ('common.sh', 'quickstart.sh'):
        shutil.copy(TOOLS / name, tmp_path / 'tools')
    program(tmp_path / 'tools', 'setup.sh', f'echo "$@" >{tmp_path}/set_up')
    for config in ('_base_/schedules/tiny.py', *(f'synthetic/{name}.py' for name in CONFIGS)):
        path = tmp_path / 'configs' / config
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('lr = 1\n')
    (tmp_path / '.venv').mkdir()
    program(tmp_path / '.venv' / 'bin', 'python', PYTHON)
    return tmp_path


def quickstart(checkout, *arguments):
    """Run it and return the result and the steps that ran."""
    (checkout / 'ran').unlink(missing_ok=True)
    result = subprocess.run(
        ['bash', checkout / 'tools/quickstart.sh', *arguments],
        cwd='/',
        env=environ(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = (checkout / 'ran').read_text().splitlines() if (checkout / 'ran').exists() else []
    return result, [line.split('.py')[0].rpartition('/')[2] for line in lines]


def test_all_steps_once(checkout):
    result, ran = quickstart(checkout)
    assert result.returncode == 0, result.stderr
    assert ran == STEPS
    assert 'mAP of 1\n' in result.stdout
    result, ran = quickstart(checkout)
    assert result.returncode == 0 and ran == []
    assert 'mAP of 1\n' in result.stdout  # what was measured is shown again


def test_force_repeats_all_and_resumes_nothing(checkout):
    quickstart(checkout)
    result, ran = quickstart(checkout, '--force')
    assert result.returncode == 0 and ran == STEPS
    assert (checkout / 'found').read_text() == ''


def test_interrupted_training_goes_on(checkout):
    (checkout / 'fail').write_text('tools/train.py')
    result, ran = quickstart(checkout)
    assert result.returncode == 2 and ran == STEPS[:3]
    (checkout / 'fail').unlink()
    result, ran = quickstart(checkout)
    assert result.returncode == 0 and ran == STEPS[2:]
    assert (checkout / 'found').read_text() == 'work_dirs/alignps_tiny/latest.pth\n'


def test_training_that_a_sigterm_stopped_is_not_done(checkout):
    """It has saved itself, and leaves latest.pth as a finished one does."""
    (checkout / 'fail').write_text('tools/train.py')
    (checkout / 'code').write_text(str(STOPPED_EARLY))
    for wanted in (STEPS[:3], STEPS[2:3]):
        result, ran = quickstart(checkout)
        assert result.returncode == STOPPED_EARLY and ran == wanted
        assert 'done before (work_dirs' not in result.stdout
    (checkout / 'fail').unlink()
    assert quickstart(checkout)[1] == STEPS[2:]
    assert (checkout / 'found').read_text() == 'work_dirs/alignps_tiny/latest.pth\n'
    assert quickstart(checkout)[1] == []


@pytest.mark.parametrize('step', range(len(STEPS) - 1))
def test_whatever_comes_after_a_repeated_step_is_repeated_later_too(checkout, step):
    """A run that is killed between two steps leaves the later ones' old outputs behind."""
    quickstart(checkout)
    stamps = sorted(
        (checkout / 'work_dirs/alignps_tiny/.quickstart').glob('[A-Z]*'),
        key=lambda path: path.stat().st_mtime_ns,
    )
    assert len(stamps) == len(STEPS)
    later = time.time() + 5
    for stamp in stamps[: step + 1]:
        os.utime(stamp, (later, later))
    assert quickstart(checkout)[1] == STEPS[step + 1 :]


@pytest.mark.parametrize('content', ['other data', ''])
def test_model_of_other_data_is_not_gone_on_with(checkout, content):
    """Such as data that a run made anew before it was killed."""
    quickstart(checkout)
    (checkout / 'data/synthetic/train.json').write_text(content)
    assert quickstart(checkout)[1] == (STEPS[2:] if content else [])
    if content:
        assert (checkout / 'found').read_text() == ''


@pytest.mark.parametrize('config', ['_base_/schedules/tiny.py', 'synthetic/alignps_tiny.py'])
def test_changed_config_is_trained_anew(checkout, config):
    quickstart(checkout)
    (checkout / 'configs' / config).write_text('lr = 2\n')
    assert quickstart(checkout)[1] == STEPS[2:]
    assert (checkout / 'found').read_text() == ''
    assert quickstart(checkout)[1] == []


def test_lost_output_is_made_again_with_all_after_it(checkout):
    quickstart(checkout)
    (checkout / 'work_dirs/alignps_tiny/results.json').unlink()
    assert quickstart(checkout)[1] == STEPS[3:]


def test_failed_measurement_leaves_no_report(checkout):
    (checkout / 'fail').write_text('yardsticks')
    result, _ = quickstart(checkout)
    assert result.returncode == 2
    assert not (checkout / 'work_dirs/alignps_tiny/yardsticks.txt').exists()


@pytest.mark.parametrize('arguments', [['--cpu'], ['--cuda'], []])
def test_arguments_of_the_set_up(checkout, arguments):
    quickstart(checkout, *arguments, '--force')
    assert (checkout / 'set_up').read_text().split() == arguments


def test_unknown_argument(checkout):
    result, ran = quickstart(checkout, '--forse')
    assert result.returncode == 2 and ran == []
    assert not (checkout / 'set_up').exists()
    assert result.stderr == 'tools/quickstart.sh: error: unknown argument --forse (see --help)\n'


def test_figures_once(checkout):
    result, ran = quickstart(checkout, '--figures', '--cpu')
    assert result.returncode == 0, result.stderr
    assert ran == STEPS + FIGURES
    assert (checkout / 'set_up').read_text().split() == ['--cpu', '--extras']
    figures = checkout / 'work_dirs/figures'
    names = [f'fig{name}.png' for name in (
        '10_compared', '11_gallery_sizes', '7_sampling_locations', '9_features'
    )]  # fmt: skip
    assert sorted(path.name for path in figures.glob('*.png')) == names
    result, ran = quickstart(checkout, '--figures')
    assert result.returncode == 0 and ran == []
    assert quickstart(checkout)[1] == []
    assert quickstart(checkout, '--figures', '--force')[1] == STEPS + FIGURES
    (figures / 'fig9_features.png').unlink()
    assert quickstart(checkout, '--figures')[1] == FIGURES[-3:]


def test_figures_need_both_models(checkout):
    """Each command names the files of the model that it is for, and they are there by then."""
    quickstart(checkout, '--figures')
    lines = (checkout / 'ran').read_text().splitlines()[len(STEPS) :]
    roi, alignps = 'work_dirs/roi_alignps_tiny', 'work_dirs/alignps_tiny'
    drawn = 'work_dirs/figures'
    for line, (config, *used) in zip(
        lines,
        (
            ['roi_alignps_tiny'],
            ['roi_alignps_tiny', f'{roi}/latest.pth', f'--save-ranking {drawn}/roi_alignps.npz'],
            ['alignps_tiny', f'{alignps}/results.npz', f'--save-ranking {drawn}/alignps.npz'],
            ['alignps_tiny', f'{alignps}/latest.pth', 'data/synthetic/Image/SSM/s481.jpg'],
            ['roi_alignps_tiny', f'{roi}/results.npz'],
            ['roi_alignps_tiny', f'{drawn}/alignps.npz {drawn}/roi_alignps.npz'],
            ['', f'{drawn}/alignps.json {drawn}/roi_alignps.json'],
        ),
        strict=True,
    ):
        assert f'configs/synthetic/{config}.py' in line or not config
        assert all(text in line for text in used), line


def test_figures_after_the_rest(checkout):
    """What is there is not made again for them, and the second model follows the data alone."""
    quickstart(checkout)
    assert quickstart(checkout, '--figures')[1] == FIGURES
    (checkout / 'work_dirs/alignps_tiny/results.json').unlink()
    assert quickstart(checkout, '--figures')[1] == STEPS[3:] + DRAWN
    (checkout / 'configs/synthetic/roi_alignps_tiny.py').write_text('lr = 3\n')
    assert quickstart(checkout, '--figures')[1] == FIGURES
    assert (checkout / 'found').read_text() == ''
    # The second model's config builds on that of the first.
    (checkout / 'configs/synthetic/alignps_tiny.py').write_text('lr = 4\n')
    assert quickstart(checkout, '--figures')[1] == STEPS[2:] + FIGURES
    (checkout / 'data/synthetic/train.json').write_text('other data')
    assert quickstart(checkout, '--figures')[1] == STEPS[2:] + FIGURES


def test_model_that_was_trained_without_figures_is_drawn_anew(checkout):
    quickstart(checkout, '--figures')
    (checkout / 'work_dirs/alignps_tiny/results.json').unlink()
    assert quickstart(checkout)[1] == STEPS[3:]
    assert quickstart(checkout, '--figures')[1] == DRAWN


def test_interrupted_training_for_the_figures_goes_on(checkout):
    quickstart(checkout)
    (checkout / 'fail').write_text('tools/train.py')
    result, ran = quickstart(checkout, '--figures')
    assert result.returncode == 2 and ran == ['train']
    (checkout / 'fail').unlink()
    assert quickstart(checkout, '--figures')[1] == FIGURES
    assert (checkout / 'found').read_text() == 'work_dirs/roi_alignps_tiny/latest.pth\n'
