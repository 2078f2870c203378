import signal
import subprocess
import time

import pytest

from .shell import TOOLS, environ, first_on_path, only_on_path, program, refused, run

SCRIPTS = sorted(path.name for path in TOOLS.glob('*.sh'))
SHOW = 'printf "%s\\n" "PYTHONPATH=$PYTHONPATH" "$@"'


@pytest.fixture
def files(tmp_path):
    for name in ('my config.py', 'weights.pth'):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize('script', SCRIPTS)
def test_syntax(script):
    subprocess.run(['bash', '-n', TOOLS / script], check=True)


@pytest.mark.parametrize(
    'script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
)
def test_usage(script):
    line = refused(run(script))
    assert f'usage: tools/{script} ' in line
    result = run(script, 'anything', '--help')
    assert result.returncode == 0
    assert result.stdout.startswith(line.partition('error: ')[2])


@pytest.mark.parametrize('script', ['setup.sh', 'run_tests.sh', 'quickstart.sh'])
def test_help_does_nothing_else(script, tmp_path):
    result = run(script, '--help', XDG_CACHE_HOME=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith(f'usage: tools/{script} ')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    'script, arguments',
    [
        ('dist_train.sh', ['nowhere.py', 2]),
        ('dist_test.sh', ['nowhere.py', 'weights.pth', 2]),
        ('slurm_train.sh', ['part', 'job', 'nowhere.py']),
        ('slurm_test.sh', ['part', 'job', 'nowhere.py', 'weights.pth']),
    ],
)
def test_missing_config(script, arguments, files):
    assert 'config nowhere.py does not exist' in refused(run(script, *arguments, cwd=files))


def test_missing_checkpoint(files):
    line = refused(run('dist_test.sh', 'my config.py', 'none.pth', 2, cwd=files))
    assert 'checkpoint none.pth does not exist' in line


@pytest.mark.parametrize('gpus', ['0', '-1', 'two', ''])
def test_gpus_must_be_a_count(gpus, files):
    assert f"GPUS must be a whole number of at least 1, not '{gpus}'" in refused(
        run('dist_train.sh', 'my config.py', gpus, cwd=files)
    )


def test_one_machine(files):
    python = program(files / 'bin', 'python', SHOW)
    result = run(
        'dist_train.sh', 'my config.py', 2, '--seed', 7, cwd=files, PYTHON=python, PYTHONPATH='/x'
    )
    assert result.stdout.splitlines() == [
        f'PYTHONPATH={TOOLS.parent}:/x',
        *['-m', 'torch.distributed.run', '--nnodes=1', '--nproc_per_node=2', '--standalone'],
        *[f'{TOOLS}/train.py', 'my config.py', '--launcher', 'pytorch', '--seed', '7'],
    ]


def test_several_machines(files):
    python = program(files / 'bin', 'python', SHOW)
    where = dict(NNODES=3, NODE_RANK=1, MASTER_ADDR='10.0.0.1', PORT=1234)
    result = run(
        'dist_test.sh', 'my config.py', 'weights.pth', 8, cwd=files, PYTHON=python, **where
    )
    assert result.stdout.splitlines()[1:] == [
        *['-m', 'torch.distributed.run', '--nnodes=3', '--nproc_per_node=8', '--node_rank=1'],
        *['--master_addr=10.0.0.1', '--master_port=1234', f'{TOOLS}/test_ps.py', 'my config.py'],
        *['weights.pth', '--launcher', 'pytorch'],
    ]


@pytest.mark.slow
def test_two_processes_meet(tmp_path):
    script = tmp_path / 'meet.py'
    script.write_text(
        'import mmdet_ps, torch, torch.distributed as dist\n'
        'dist.init_process_group("gloo")\n'
        'total = torch.tensor([dist.get_rank() + 1.0])\n'
        'dist.all_reduce(total)\n'
        'open(f"{__file__}.{dist.get_rank()}", "w").write(str(total.item()))\n'
        'dist.destroy_process_group()\n'
    )
    command = f'source {TOOLS}/common.sh; run_distributed 2 {script}'
    subprocess.run(['bash', '-c', command], check=True, cwd='/', env=environ(), timeout=300)
    assert [(tmp_path / f'meet.py.{rank}').read_text() for rank in (0, 1)] == ['3.0', '3.0']


def test_slurm_train(files):
    path = first_on_path(program(files / 'bin', 'srun', SHOW).parent)
    variables = dict(GPUS=16, CPUS_PER_TASK=4, SRUN_ARGS='--exclusive --mem=0', PYTHON='bash')
    result = run(
        *('slurm_train.sh', 'part', 'job', 'my config.py', 'out', '--auto-resume'),
        cwd=files,
        PATH=path,
        **variables,
    )
    got = result.stdout.splitlines()[1:]
    assert got[:8] == [
        *['--partition=part', '--job-name=job', '--gres=gpu:8', '--ntasks=16'],
        *['--ntasks-per-node=8', '--cpus-per-task=4', '--kill-on-bad-exit=1', '--signal=TERM@120'],
    ]
    assert got[8:10] == ['--exclusive', '--mem=0']
    assert got[11:] == [
        *['-u', f'{TOOLS}/train.py', 'my config.py', '--work-dir', 'out', '--launcher', 'slurm'],
        '--auto-resume',
    ]


def test_slurm_train_names_the_work_dir(files):
    path = first_on_path(program(files / 'bin', 'srun', SHOW).parent)
    result = run(
        *('slurm_train.sh', 'part', 'job', 'my config.py', '--seed', '1'),
        cwd=files,
        PATH=path,
        GPUS=2,
        SIGNAL='USR1@60',
    )
    got = result.stdout.splitlines()
    assert '--gres=gpu:2' in got and '--signal=USR1@60' in got
    assert got[got.index('--work-dir') + 1] == 'work_dirs/my config'
    assert got[-2:] == ['--seed', '1']


def test_slurm_test(files):
    path = first_on_path(program(files / 'bin', 'srun', SHOW).parent)
    result = run(
        *('slurm_test.sh', 'part', 'job', 'my config.py', 'weights.pth', '--out', 'x.pkl'),
        cwd=files,
        PATH=path,
    )
    assert result.stdout.splitlines()[-7:] == [
        *[f'{TOOLS}/test_ps.py', 'my config.py', 'weights.pth'],
        *['--launcher', 'slurm', '--out', 'x.pkl'],
    ]


def test_no_slurm_here(files):
    path = only_on_path(files / 'bin', 'bash', 'dirname', 'basename')
    line = refused(run('slurm_train.sh', 'part', 'job', 'my config.py', cwd=files, PATH=path))
    assert 'srun is not on the PATH' in line


def test_a_signal_reaches_srun(files):
    waits = 'trap "echo told >caught; exit 143" TERM; touch ready; while :; do sleep 0.1; done'
    path = first_on_path(program(files / 'bin', 'srun', waits).parent)
    process = subprocess.Popen(
        ['bash', TOOLS / 'slurm_train.sh', 'part', 'job', 'my config.py'],
        cwd=files,
        env=environ(PATH=path),
    )
    while not (files / 'ready').exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert (files / 'caught').read_text() == 'told\n'
