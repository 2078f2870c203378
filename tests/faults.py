"""Files changed at random, for readers that must answer with one line that names the file."""

import numpy as np
import pytest

ONE_LINE = (ValueError, KeyError, OSError)


def broken_copies(whole, count, seed=0):
    """Cuts, flipped bits and runs of 0x00 or 0xff of a file's bytes."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        data = bytearray(whole)
        place = int(rng.integers(len(data)))
        kind = number % 3
        if kind == 0:
            data = data[:place]
        elif kind == 1:
            for at in rng.integers(len(data), size=int(rng.integers(1, 4))):
                data[at] ^= 1 << int(rng.integers(8))
        else:
            run = int(rng.integers(1, 9))
            data[place : place + run] = bytes([255 * int(rng.integers(2))]) * run
        yield bytes(data)


def check_reader(path, read, count, accept=lambda value: None, seed=0, named=None):
    """Give ``read`` broken copies of ``path``: it returns what ``accept`` takes, or one line.

    The line has ``named`` in it, by default the file's name: a list of files that still reads may
    ask for another file. Returns the number of copies that were refused.
    """
    whole = path.read_bytes()
    refused = 0
    for data in broken_copies(whole, count, seed):
        path.write_bytes(data)
        try:
            value = read(path)
        except ONE_LINE as error:
            said = str(error.args[0])
            assert (named or path.name) in said and '\n' not in said, said
            refused += 1
        except BaseException as error:  # noqa: B902
            pytest.fail(f'{type(error).__name__}: {error}')
        else:
            accept(value)
    path.write_bytes(whole)
    return refused
