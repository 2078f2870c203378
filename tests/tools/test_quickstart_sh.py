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
run=work_dirs/alignps_tiny
echo "${*##*/tools/}" >>ran
case $1 in
  *make_synthetic.py) out=data/synthetic/annotation/pool.mat ;;
  *cuhk_sysu.py) out=data/synthetic/train.json ;;
  *train.py) ls $run/*.pth 2>/dev/null >found; out=$run/latest.pth ;;
  *test_ps.py) out=$run/results.json ;;
  *visualize_search.py) out=$run/search.png ;;
  *yardsticks.py) echo "mAP of $(grep -c yardsticks ran)"; out=/dev/null ;;
esac
mkdir -p "$(dirname "$out")"
touch "$out"
[[ ! -f fail || $1 != *$(cat fail)* ]] || exit "$(cat code 2>/dev/null || echo 2)"
"""
STEPS = ['make_synthetic', 'cuhk_sysu', 'train', 'test_ps', 'visualize_search', 'yardsticks']


@pytest.fixture
def checkout(tmp_path):
    """A checkout of the scripts under test, with a set-up that only writes down its arguments."""
    (tmp_path / 'tools').mkdir()
    for name in ('common.sh', 'quickstart.sh'):
        shutil.copy(TOOLS / name, tmp_path / 'tools')
    program(tmp_path / 'tools', 'setup.sh', f'echo "$@" >{tmp_path}/set_up')
    for config in ('_base_/schedules/tiny.py', 'synthetic/alignps_tiny.py'):
        path = tmp_path / 'configs' / config
        path.parent.mkdir(parents=True)
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
