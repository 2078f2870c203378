import subprocess
import sys

import pytest

from mmdet_ps.utils import timing


def test_calls_run_in_turn():
    """A B A B; warm-up runs are called first, with the same numbers, and not counted."""
    called = []

    def call(name):
        def measure(run):
            called.append(name + str(run))
            return dict(run=run, calls=len(called))

        return measure

    found = timing.in_turn([call('a'), call('b')], runs=2, warmup=3)
    assert called == 'a0 b0 a1 b1 a0 b0 a0 b0 a1 b1'.split()
    assert found == [dict(run=[0, 1], calls=[7, 9]), dict(run=[0, 1], calls=[8, 10])]


def test_spread_is_in_milliseconds():
    assert timing.spread([0.004, 0.001, 0.0015]) == pytest.approx(dict(median=1.5, min=1, max=4))
    assert timing.summary([0.004, 0.001, 0.0015]) == (
        'median      1.50  min      1.00  max      4.00 ms'
    )


def test_seconds_of_a_call(monkeypatch):
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(timing, 'now', lambda: next(clock))
    assert timing.seconds(lambda: None) == 2.5


@pytest.mark.skipif(sys.platform != 'linux', reason='other systems count otherwise')
def test_peak_memory_is_this_processs_own():
    """It stays after memory is given back, and does not begin with what the parent holds."""
    code = """
from mmdet_ps.utils.timing import peak_memory
first = peak_memory()
held = bytearray(b'1') * (300 * 2**20)
del held
print(first, peak_memory())
"""
    parent = f"""
import subprocess, sys
held = bytearray(b'1') * (2**31)
print(subprocess.run([sys.executable, '-c', {code!r}], capture_output=True, text=True).stdout)
"""
    done = subprocess.run([sys.executable, '-c', parent], capture_output=True, text=True)
    first, peak = map(float, done.stdout.split())
    assert first < 2000
    assert 290 < peak - first < 330
