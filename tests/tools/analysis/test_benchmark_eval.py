"""The benchmark's own data and its two forms, at a size that takes no time."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / 'tools' / 'analysis'))

import benchmark_eval as tool  # noqa: E402


@pytest.mark.parametrize('dataset', ['cuhk_sysu', 'prw'])
def test_both_forms_agree_without_scikit_learn(tmp_path, dataset, monkeypatch):
    # tools/setup.sh does not install it: it is a requirement of the tests only.
    missing = tmp_path / 'missing'
    missing.mkdir()
    (missing / 'sklearn.py').write_text("raise ModuleNotFoundError('no scikit-learn')")
    monkeypatch.setenv('PYTHONPATH', str(missing))
    rng = np.random.default_rng(0)
    if dataset == 'prw':
        protocol = tool.random_prw(rng, 40, 12, 100, 10)
    else:
        protocol = tool.random_cuhk(rng, 40, 12, 15)
    protocol.save(tmp_path / 'protocol' / f'{protocol.name}.npz')
    results = tool.random_results(rng, protocol, 5, 16)
    assert {len(result['bboxes']) for result in results} == {5}
    tool.save_results(tmp_path / 'results.npz', results)
    forms = ['fast', 'slow']
    if dataset == 'cuhk_sysu':
        tool.write_testg(protocol, tmp_path / 'testg.mat')
        forms.append('slow-mat')
    runs = [tool.timed(form, tmp_path, protocol.name) for form in forms]
    for run in runs[1:]:
        for key in tool.METRICS:
            assert runs[0][key] == pytest.approx(run[key], abs=1e-6)
    assert 0.05 < runs[0]['mAP'] < 0.99
    assert all(run['wall'] > 0 and run['peak_mib'] > 0 for run in runs)
