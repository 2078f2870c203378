"""What importing the package does, in interpreters that have imported nothing yet."""

import subprocess
import sys

import pytest

FROM_CONFIG = (
    'import tempfile\nfrom mmcv import Config\n'
    "file = tempfile.NamedTemporaryFile('w', suffix='.py')\n"
    'file.write("custom_imports = dict(imports=[\'mmdet_ps\'], allow_failed_imports=False)")\n'
    'file.flush()\nConfig.fromfile(file.name)\n'
)
REGISTERED = """
from mmcv.runner import HOOKS, RUNNERS
from mmdet.datasets import DATASETS, PIPELINES
from mmdet.models import DETECTORS
assert DETECTORS.get('AlignPS') and DATASETS.get('PersonSearchDataset')
assert PIPELINES.get('LoadSceneImage') and RUNNERS.get('ResumableRunner')
assert HOOKS.get('BrokenPicturesHook')
"""
ORDERS = {
    'mmdet first': 'import mmdet.models, mmdet_ps\n',
    'evaluator first': 'import mmdet_ps.core.evaluation, mmdet.apis\n' + FROM_CONFIG,
    'a config before mmdet': FROM_CONFIG,
    'a part of it first': 'import mmdet_ps.models.losses\n',
    'its hooks first': 'import mmdet_ps.core.hooks\n',
}


def run(code):
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)


@pytest.mark.parametrize('order', ORDERS)
def test_package_registers_whichever_comes_first(order):
    run(ORDERS[order] + REGISTERED)


@pytest.mark.parametrize('module', ['core.evaluation', 'downloads', 'utils.cli', 'releases'])
def test_what_needs_no_network_loads_none(module):
    run(f"import sys, mmdet_ps.{module}\nassert not {{'torch', 'mmcv'}} & set(sys.modules)\n")
