import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile

import pytest
import torch

from .shell import TOOLS, environ, first_on_path, only_on_path, program, refused, run

NVCC = 'case $1 in --version) echo "release {0}, V{0}.1" ;; *) printf "{1}" ;; esac'


@pytest.fixture
def cache(tmp_path):
    return tmp_path / 'cache'


def set_up(cache, *arguments, **environment):
    return run('setup.sh', *arguments, XDG_CACHE_HOME=cache, **environment)


def kept(cache):
    """What a failed set-up has left in the cache, logs apart."""
    folder = cache / 'mmdet_ps'
    return [p for p in folder.rglob('*') if p.is_file() and p.parent != folder / 'logs'] + [
        *folder.glob('work.*')
    ]


def source_of_mmcv(folder, setup_py, sources=None):
    """A source distribution that is taken for mmcv-full's, with ``sources`` of its operators."""
    root = folder / 'mmcv-full-1.7.2'
    files = {f'mmcv/ops/csrc/pytorch/{name}': text for name, text in (sources or {}).items()}
    files['PKG-INFO'] = 'Metadata-Version: 1.0\nName: mmcv-full\nVersion: 1.7.2\n'
    files['setup.py'] = setup_py
    files['mmcv/__init__.py'] = ''
    files['mmcv/ops/__init__.py'] = 'from mmcv import _ext\n'
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    with tarfile.open(folder / 'mmcv-full-1.7.2.tar.gz', 'w:gz') as archive:
        archive.add(root, root.name)
    return folder


def failing_source_of_mmcv(folder, on_build):
    """One that runs ``on_build`` when it is compiled."""
    setup_py = (
        'import os, sys, time\nfrom setuptools import setup\n'
        f"if 'bdist_wheel' in sys.argv:\n    {on_build}\n"
        "setup(name='mmcv-full', version='1.7.2')\n"
    )
    return source_of_mmcv(folder, setup_py)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--bogus'], 'unknown argument --bogus'),
        (['--cuda', '--cpu'], '--cuda and --cpu exclude each other'),
        (['--arch'], '--arch needs a value'),
        (['--arch', 'hopper'], "--arch must be a list like '8.0 9.0', not 'hopper'"),
        (['--download', 'd'], '--download needs --python 3.10, 3.11 or 3.12'),
        (['--download', 'd', '--python', '3.13'], "not '3.13'"),
        (['--download', 'd', '--python', '3.12', '--offline', '.'], 'exclude each other'),
        (['--without-torch'], 'belong to --download'),
        (['--offline', '/no/such/folder'], '--offline /no/such/folder is not a folder'),
    ],
)
def test_bad_arguments(arguments, message, cache):
    assert message in refused(set_up(cache, *arguments))
    assert not cache.exists()


def test_unsupported_python(cache, tmp_path):
    old = program(tmp_path / 'bin', 'python3', '[[ $1 == -V ]] && echo Python 3.9.2; exit 1')
    line = refused(set_up(cache, '--here', PYTHON=old))
    assert 'Python 3.9.2) is not a Python 3.10 - 3.12' in line


def test_cache_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').touch()
    line = refused(set_up(tmp_path / 'file', '--dry-run'))
    assert 'set XDG_CACHE_HOME to a folder that can be written' in line


def test_key_names_python_torch_and_operators(cache):
    result = set_up(cache, '--here', '--cpu', '--dry-run')
    assert result.returncode == 0, result.stderr
    tag = f'cp{sys.version_info[0]}{sys.version_info[1]}'
    machine = sysconfig.get_platform().replace('-', '_')
    key = f'{tag}-{machine}-torch{torch.__version__}-cpu'
    assert f'key: {key}\nwheel: none yet: would compile\n' in result.stdout


def sourced(command, **variables):
    """Run a command among the set-up's functions, with variables as the set-up would have them."""
    given = dict(
        PY_TAG='cp311',
        PLATFORM='linux_x86_64',
        TORCH='2.11.0+cu130',
        TORCH_CUDA='13.0',
        TORCH_ARCHS='7.5 8.0 8.6 9.0 12.0',
        **dict(GPU_ARCHS='', cuda='auto', arch='', offline='', HEADERS='1', MMCV_VERSION='1.7.2'),
    )
    given |= variables
    lines = ['set -euo pipefail', f'source {TOOLS}/common.sh']
    lines += [f'source {TOOLS}/setup_{part}.sh' for part in ('pip', 'mmcv')]
    lines += [f'{name}={shlex.quote(str(value))}' for name, value in given.items()]
    return subprocess.run(
        ['bash', '-c', '\n'.join([*lines, command])],
        env=environ(TORCH_CUDA_ARCH_LIST=None, CC=None, CXX=None),
        capture_output=True,
        text=True,
        timeout=60,
    )


def flavour(**variables):
    return sourced('choose_flavour; echo "$FLAVOUR:$ARCHS:$KEY"', **variables)


def with_nvcc(folder, release='13.0', cards='80 86 90'):
    listed = ''.join(f'sm_{card}\\n' for card in cards.split())
    return first_on_path(program(folder / 'bin', 'nvcc', NVCC.format(release, listed)).parent)


def test_cpu_operators_without_a_gpu(tmp_path):
    path = with_nvcc(tmp_path)
    assert flavour(PATH=path).stdout == 'cpu::cp311-linux_x86_64-torch2.11.0+cu130-cpu\n'
    assert flavour(PATH=path, GPU_ARCHS='9.0', cuda='cpu').stdout.startswith('cpu::')


@pytest.mark.parametrize(
    'variables, cards',
    [
        (dict(GPU_ARCHS='8.6'), '8.6'),
        (dict(GPU_ARCHS='8.6', arch='9.0;8.6 9.0'), '8.6 9.0'),
        (dict(cuda='cuda', arch='9.0'), '9.0'),
        # Of each generation the first that torch and nvcc both know: not 8.6, 7.5 and 12.0.
        (dict(cuda='cuda'), '8.0 9.0'),
    ],
)
def test_cards_of_the_cuda_operators(variables, cards, tmp_path):
    got = flavour(PATH=with_nvcc(tmp_path), **variables).stdout
    key = f'cp311-linux_x86_64-torch2.11.0+cu130-cuda13.0-sm{cards.replace(" ", "_")}'
    assert got == f'cuda:{cards}:{key}\n'


@pytest.mark.parametrize(
    'release, cards, variables, message',
    [
        ('12.8', '90', {}, 'nvcc is of CUDA 12.8 and torch 2.11.0+cu130 of CUDA 13.0: put the'),
        ('13.0', '110', {}, 'know no card in common: name the cards with --arch'),
        ('13.0', '90', dict(TORCH_CUDA=''), 'is a build without CUDA: install one with CUDA'),
        ('13.0', '90', dict(cuda='auto', arch='9.0'), 'no GPU is visible, so add --cuda'),
    ],
)
def test_cuda_operators_that_cannot_be(release, cards, variables, message, tmp_path):
    path = with_nvcc(tmp_path, release, cards)
    assert message in refused(flavour(**{'PATH': path, 'cuda': 'cuda', **variables}))


def test_no_nvcc(tmp_path):
    path = only_on_path(tmp_path / 'bin', 'bash')
    line = refused(flavour(PATH=path, cuda='cuda'))
    assert 'no nvcc to compile the CUDA operators with: install the CUDA toolkit 13.0' in line


@pytest.mark.parametrize('where', ['offline', 'cache'])
def test_wheel_is_found_under_its_key_only(where, tmp_path):
    folders = dict(CACHE=tmp_path / 'cache', offline=tmp_path / 'offline', KEY='key')
    root = tmp_path / ('offline' if where == 'offline' else 'cache/wheels')
    (root / 'key-of-another').mkdir(parents=True)
    (root / 'key-of-another' / 'mmcv_full-1.7.2-any.whl').touch()
    assert sourced('find_wheel', **folders).returncode == 1
    (root / 'key').mkdir()
    (root / 'key' / 'mmcv_full-1.7.2-any.whl').touch()
    assert sourced('find_wheel', **folders).stdout == f'{root}/key/mmcv_full-1.7.2-any.whl\n'


@pytest.mark.parametrize(
    'log, offline, message',
    [
        (
            'x.cpp:1:1: error: no such\nnote\nERROR: Failed',
            '',
            'failed: x.cpp:1:1: error: no such (',
        ),
        ('Traceback:\nImportError: libGL.so.1\n', '', 'failed: ImportError: libGL.so.1 (log'),
        ('ERROR: Cannot uninstall six', '', 'failed: ERROR: Cannot uninstall six (log: '),
        ('OSError: [Errno 28] No space left on device', '', 'the disk is full ('),
        (
            'g++: fatal error: Killed signal terminated program',
            '',
            'run this again with MAX_JOBS=1',
        ),
        ('WARNING: Retrying (Retry(total=4))\nERROR: No', '', 'no package registry can be reached'),
        ('ERROR: No matching distribution found for six', '/d', '/d lacks it (ERROR: No matching'),
    ],
)
def test_cause_of_a_failed_step(log, offline, message, tmp_path):
    path = tmp_path / 'log'
    path.write_text(f'No space left on device, before the step\n{log}\n{"noise" * 20000}\n')
    start = path.read_text().index('\n') + 2
    facts = dict(LOG=path, LOG_START=start, CACHE=tmp_path, PY_VERSION='3.12.1', offline=offline)
    line = refused(sourced('explain compiling', **facts))
    assert 'error: compiling' in line and message in line


def test_no_compiler(tmp_path):
    path = only_on_path(tmp_path / 'bin', 'bash')
    line = refused(sourced('need_compiler', PATH=path))
    assert 'no C++ compiler to build mmcv-full with: install one' in line


def test_no_python_headers():
    line = refused(sourced('need_compiler', HEADERS='0', PY='python3', PY_VERSION='3.12.1'))
    assert 'Python.h of python3 is missing: install it' in line and 'python3.12-dev' in line


def test_no_room(tmp_path):
    line = refused(sourced(f'need_space {tmp_path} 100000000 torch'))
    assert 'torch needs 100000000 GB' in line


@pytest.mark.slow
def test_failed_compilation_leaves_nothing(cache, tmp_path):
    folder = failing_source_of_mmcv(tmp_path / 'dir', "sys.exit('x.cpp:1:1: error: no such thing')")
    line = refused(set_up(cache, '--here', '--cpu', '--rebuild', '--offline', folder))
    assert 'x.cpp:1:1: error: no such thing (log: ' in line
    assert os.path.exists(line.partition('log: ')[2].rstrip(')'))
    assert kept(cache) == []


@pytest.mark.slow
def test_interrupted_compilation_leaves_nothing(cache, tmp_path):
    started = tmp_path / 'started'
    wait = f"open({str(started)!r}, 'w').write(str(os.getpid())), time.sleep(300)"
    folder = failing_source_of_mmcv(tmp_path / 'dir', wait)
    arguments = ['--here', '--cpu', '--rebuild', '--offline', str(folder)]
    process = subprocess.Popen(
        ['bash', TOOLS / 'setup.sh', *arguments],
        env=environ(XDG_CACHE_HOME=cache),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not (started.exists() and started.read_text()):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert kept(cache) == []
    compiler = int(started.read_text())
    deadline = time.monotonic() + 30
    while is_running(compiler):
        assert time.monotonic() < deadline
        time.sleep(0.1)


SETUP_PY = """
from glob import glob
from setuptools import Extension, setup

sources = [glob(f'mmcv/ops/csrc/{folder}/*.cpp') for folder in ('pytorch', 'pytorch/cpu')]
extension = Extension('mmcv._ext', sorted(sum(sources, [])), language='c++')
setup(name='mmcv-full', version='1.7.2', packages=['mmcv', 'mmcv.ops'], ext_modules=[extension])
"""
# What in mmcv-full's sources would change or break their neighbours, in small.
OPERATORS = {
    'pybind.cpp': """
#include <Python.h>
int width();
int smallest();
static PyObject *get(PyObject *, PyObject *) { return Py_BuildValue("ii", width(), smallest()); }
static PyMethodDef methods[] = {{"numbers", get, METH_NOARGS, nullptr}, {}};
static PyModuleDef ext{PyModuleDef_HEAD_INIT, "_ext", nullptr, -1, methods};
PyMODINIT_FUNC PyInit__ext() { return PyModule_Create(&ext); }
""",
    'contour_expand.cpp': '#include <cmath>\nusing namespace std;\n',
    # fma() of doubles, and of floats after math.h or `using namespace std`.
    'voxelization.cpp': '#include <cmath>\nint width() { return sizeof(fma(1.f, 1.f, 1.f)); }\n',
    'cpu/psamask.cpp': '#define min(a, b) ((a) < (b) ? (a) : (b))\n#define max(a, b) 0\n',
    'cpu/roi_align.cpp': 'template <class T> struct PreCalc { T x; };\n',
    'cpu/roi_align_rotated.cpp': 'template <class T> struct PreCalc { T x; };\n',
    'cpu/rotated_feature_align.cpp': '',
    'cpu/voxelization.cpp': 'int min(int a) { return a; }\nint smallest() { return min(2); }\n',
}


def compile_operators(tmp_path, sources, **variables):
    """What ``compile_mmcv`` says and logs, and what the operators of its wheel then give."""
    folder = source_of_mmcv(tmp_path / 'offline', SETUP_PY, sources)
    (tmp_path / 'work').mkdir()
    (tmp_path / 'cache/wheels').mkdir(parents=True)
    (tmp_path / 'log').touch()
    facts = dict(PY=sys.executable, CACHE=tmp_path / 'cache', KEY='key', FLAVOUR='cpu', ARCHS='')
    facts |= dict(WORK=tmp_path / 'work', LOG=tmp_path / 'log', PY_VERSION='3.12.1')
    command = f'export PIP_NO_INDEX=1 PIP_FIND_LINKS={shlex.quote(str(folder))}; compile_mmcv'
    result = sourced(command, **facts | variables)
    assert result.returncode == 0, result.stderr + (tmp_path / 'log').read_text()
    (wheel,) = (tmp_path / 'cache/wheels/key').iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / 'unpacked')
    code = 'import sys; sys.path[0] = sys.argv[1]; from mmcv import _ext; print(_ext.numbers())'
    numbers = subprocess.check_output(
        [sys.executable, '-c', code, tmp_path / 'unpacked'], text=True
    )
    return result.stdout, (tmp_path / 'log').read_text(), numbers


@pytest.mark.slow
def test_sources_are_joined(tmp_path):
    said, log, numbers = compile_operators(tmp_path, OPERATORS)
    assert 'one by one' not in said, said
    assert set(re.findall(r'-c \S*pytorch/(\S+)\.cpp', log)) == {
        'joined_bindings',
        'joined_cpu',
        'joined_operators',
    }
    assert numbers == '(8, 2)\n'


@pytest.mark.slow
@pytest.mark.parametrize(
    'changes, variables, why',
    [
        (
            {'cpu/nms.cpp': 'static int n;\n', 'cpu/nms_rotated.cpp': 'static float n;\n'},
            {},
            r'the joined sources do not compile or load \(.*nms_rotated\.cpp.* error: .*\)',
        ),
        (
            {
                'cpu/nms.cpp': '#define JOINED\n',
                'cpu/nms_rotated.cpp': '#ifdef JOINED\nint no();\nint n = no();\n#endif\n',
            },
            {},
            r'the joined sources do not compile or load \(ImportError: .*undefined symbol.*\)',
        ),
        ({'contour_expand.cpp': None}, {}, 'the sources are not laid out as those of mmcv-full'),
        ({}, dict(FLAVOUR='cuda', ARCHS='9.0'), 'the sources of CUDA operators are not joined'),
    ],
)
def test_sources_that_cannot_be_joined_are_compiled_one_by_one(changes, variables, why, tmp_path):
    sources = {k: text for k, text in (OPERATORS | changes).items() if text is not None}
    said, log, numbers = compile_operators(tmp_path, sources, **variables)
    assert re.search(why + r'[^\n]*: compiling them one by one', said), said
    assert {f'{path}.cpp' for path in re.findall(r'-c \S*pytorch/(\S+)\.cpp', log)} >= {*sources}
    assert numbers == '(8, 2)\n'


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f'/proc/{pid}/stat') as stream:  # a zombie waits for init, not for us
        return stream.read().rpartition(')')[2].split()[0] != 'Z'


@pytest.mark.parametrize(
    'log, words',
    [
        ('Collecting mmcv-full', 'at the first sources (75 s)'),
        ('  [1/113] c++ a.cpp\n  [40/113] c++ b.cpp -o [x]\n', '40 of 113 sources, 1 min 15 s'),
        ('  [112/113] c++\n  [113/113] c++\n', 'linking (75 s)'),
    ],
)
def test_progress_of_the_compilation(log, words, tmp_path):
    facts = dict(LOG=tmp_path / 'log', LOG_START=1, COMPILE_START=0)
    facts['LOG'].write_text(log)
    # Unset, bash's clock becomes a variable that stands still.
    result = sourced('unset SECONDS; SECONDS=75; compile_progress', **facts)
    assert result.stdout.strip() == words, result.stderr


@pytest.fixture
def stamped(tmp_path):
    """Run a command among all functions of tools/setup.sh, in an environment that was set up."""
    tools = tmp_path / 'tools'
    shutil.copytree(TOOLS, tools, ignore=shutil.ignore_patterns('*.py', '__pycache__'))
    shutil.copytree(TOOLS.parent / 'requirements', tmp_path / 'requirements')
    for name in ('requirements.txt', 'setup.py'):
        shutil.copy(TOOLS.parent / name, tmp_path)
    script = (tools / 'setup.sh').read_text()
    start = script.index('\nfor argument in "$@"')
    given = dict(SITE=tmp_path, WORK=tmp_path / 'work', PACKAGE=tmp_path, TORCH='2.11.0')
    given |= dict(MMCV='1.7.2', MMCV_OPS='cpu', FLAVOUR='cpu', MMDET='2.28.2', KEY='key', OPENCV=0)
    lines = [f'{name}={value}' for name, value in given.items()]
    lines += ['mkdir "$WORK"', 'parse_arguments $1', 'eval "$2"']
    (tools / 'setup.sh').write_text('\n'.join([script[:start], *lines]))

    def run_in_it(arguments, command):
        done = subprocess.run(
            ['bash', tools / 'setup.sh', arguments, command],
            env=environ(XDG_CACHE_HOME=tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert not done.stderr
        return done.stdout

    return run_in_it


@pytest.mark.parametrize(
    'arguments, extras',
    [
        ('--here', ()),
        ('', ('extras',)),
        ('--here --extras', ('extras',)),
        ('--here --dev', ('extras', 'dev')),
        ('--dev --extras', ('extras', 'dev')),
    ],
)
def test_extra_requirements(stamped, arguments, extras):
    listed = stamped(arguments, 'write_requirements; cat "$WORK/requirements.txt"')
    assert 'matplotlib' in listed
    assert ('lancedb' in listed) == ('gdown' in listed) == ('extras' in extras)
    assert ('pytest' in listed) == ('dev' in extras)


@pytest.mark.parametrize('before', ['--here', '--here --extras', '--here --dev'])
def test_what_was_set_up_without_an_extra_is_set_up_again(stamped, before):
    stamped(before, 'write_stamp')
    order = ['--here', '--here --extras', '--here --dev']  # each has all that those before it have
    for asked in order:
        done = order.index(asked) <= order.index(before)
        assert stamped(asked, 'is_set_up && echo done || true') == 'done\n' * done
