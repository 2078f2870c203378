"""The converter as a user runs it."""

import subprocess
import sys

import pytest
import torch

from ..models.converters.released import ROOT, blank_state, build


def run(*args):
    command = [sys.executable, 'tools/model_converters/alignps_released.py', *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


def errors(done):
    assert done.returncode == 2, done.stderr
    assert 'Traceback' not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith('error: ')]


def test_convert(tmp_path):
    source, out = tmp_path / 'prw.pth', tmp_path / 'out.pth'
    state = blank_state('roi_alignps_prw')
    # As mmcv wrote them: more than the weights, all of it plain.
    torch.save(dict(meta=dict(epoch=24, time='now'), state_dict=state, optimizer={}), source)
    done = run(source, out)
    assert done.returncode == 0, done.stderr
    assert '472 tensors taken over, 7 of them under a new name:' in done.stdout
    assert '  mi_estimator.T_func.0.weight -> mutual.0.estimator.0.weight\n' in done.stdout
    assert '23 dropped:\n' in done.stdout
    assert '  neck.fpn_convs.4.conv.bias: pyramid level P4 - P7' in done.stdout
    assert 'roi_alignps_prw, for configs/released/roi_alignps_r50_prw.py' in done.stdout
    content = torch.load(out, weights_only=True)
    assert content['meta']['converted_from'] == 'roi_alignps_prw'
    assert content['meta']['CLASSES'] == ('person',)
    build('roi_alignps_prw').load_state_dict(content['state_dict'], strict=True)
    before = out.read_bytes()
    assert errors(run(source, out)) == [
        f'error: {out} exists: give another name, or --force to replace it'
    ]
    assert out.read_bytes() == before


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


def test_code_is_refused(tmp_path):
    trace = tmp_path / 'trace'
    torch.save(dict(state_dict={}, meta=Payload(str(trace))), tmp_path / 'evil.pth')
    (line,) = errors(run(tmp_path / 'evil.pth', tmp_path / 'out.pth'))
    assert 'evil.pth: asks for' in line and '--trust' in line
    assert not trace.exists() and sorted(p.name for p in tmp_path.iterdir()) == ['evil.pth']


@pytest.mark.parametrize(
    'state, args, said',
    [
        ({'conv1.weight': torch.ones(1)}, [], 'none of the published layouts'),
        (
            blank_state('alignps_prw') | {'bbox_head.new': torch.ones(1)},
            [],
            'no place for: bbox_head.new',
        ),
        (
            blank_state('alignps_prw'),
            ['--arch', 'alignps_cuhk'],
            'it is alignps_prw, not alignps_cuhk',
        ),
    ],
)
def test_what_does_not_fit(tmp_path, state, args, said):
    torch.save(dict(state_dict=state), tmp_path / 'in.pth')
    (line,) = errors(run(tmp_path / 'in.pth', tmp_path / 'out.pth', *args))
    assert line.startswith(f'error: {tmp_path}/in.pth: ') and said in line
    assert not (tmp_path / 'out.pth').exists()


def test_absent_file(tmp_path):
    assert errors(run(tmp_path / 'in.pth', tmp_path / 'out.pth')) == [
        f'error: {tmp_path}/in.pth: no such checkpoint file'
    ]
