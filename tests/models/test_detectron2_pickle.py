"""Arrays of detectron2's pickles, and files that try to be more than that."""

import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest

from mmdet_ps.models.detectron2_pickle import read_arrays

ARRAYS = {
    'plain': np.arange(6, dtype=np.float32).reshape(2, 3),
    'columns': np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
    'swapped': np.arange(3, dtype='>f4'),
    'half': np.arange(3, dtype=np.float16),
    'whole': np.array([[1], [-2]]),
    'bytes': np.array([1, 255], np.uint8),
    'flags': np.array([True, False]),
    'nothing': np.zeros((0, 4), np.float32),
    'one': np.array(2.5, np.float32),
}


def written(tmp_path, content, protocol=2):
    path = tmp_path / 'a.pkl'
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize('numpy', [b'numpy._core', b'numpy.core'])
@pytest.mark.parametrize('key', ['model', 'blobs', None])
def test_every_protocol(tmp_path, protocol, numpy, key):
    content = {key: ARRAYS, 'epoch': 3, 7: [None, 1.5]} if key else ARRAYS | {'epoch': 3}
    data = pickle.dumps(content | {'best': np.float64(0.5)}, protocol)
    if protocol < 4:  # Later protocols state lengths.
        data = data.replace(b'numpy._core', numpy).replace(b'numpy.core', numpy)
    read = dict(read_arrays(written(tmp_path, data)))
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype.newbyteorder('=')
        assert read[name].flags.writeable


def test_bytes_of_python_2(tmp_path):
    """A text opcode with raw bytes, 128 to 255 among them, as Python 2 wrote ``str``."""
    array = np.array([1.1, -2.7], np.float32)
    data = pickle.dumps(dict(model=dict(a=array)), 3)
    raw = array.tobytes()
    assert data.count(b'C\x08' + raw) == 1
    data = data.replace(b'C\x08' + raw, b'U\x08' + raw).replace(b'C\x01b', b'U\x01b')
    [(name, read)] = read_arrays(written(tmp_path, data))
    assert name == 'a' and read.tolist() == array.tolist()


def attack(*codes):
    return b'\x80\x02' + b''.join(codes) + b'.'


def text(value):
    return b'X' + struct.pack('<I', len(value)) + value.encode()


NDARRAY, DTYPE = b'cnumpy\nndarray\n', b'cnumpy\ndtype\n'
ONE = b'K\x01'
# numpy.ndarray((1, 5), 'O', b'\x41' * 40): five pointers out of the file.
OBJECTS = NDARRAY + ONE + b'K\x05\x86' + text('O') + b'C\x28' + b'\x41' * 40 + b'\x87R'
# dtype('V1') told that an element has 2^30 bytes, and an array of it out of eight.
HUGE = DTYPE + text('V1') + b'\x89\x88\x87R(K\x03' + text('|') + b'NNNJ\x00\x00\x00\x40K\x01K\x00tb'
RECONSTRUCTED = (
    b'cnumpy.core.multiarray\n_reconstruct\n' + NDARRAY + b'K\x00\x85C\x01b\x87R(K\x01' + ONE
    + b'\x85' + HUGE + b'\x89C\x0812345678tb'
)  # fmt: skip
DEEP = 200_000
ATTACKS = {
    'an array of pointers': attack(b'}', text('a'), OBJECTS, b's'),
    'an item of 2^30 bytes': attack(b'}', text('a'), RECONSTRUCTED, b's'),
    'a dtype told to be larger': attack(b'}', text('a'), HUGE, b's'),
    'a key nested deeply': attack(b'}', b')', b'\x85' * DEEP, ONE, b's'),
    'a key nested deeply, in one step': attack(b'(', b')', b'\x85' * DEEP, ONE, b'd'),
    'a set of what is nested deeply': attack(b'(', b')', b'\x85' * DEEP, b'\x91'),
    'a value nested deeply': attack(b'}', text('a'), b')', b'\x85' * DEEP, b's'),
    'a shape nested deeply': attack(
        b'}', text('a'), RECONSTRUCTED.replace(ONE + b'\x85', b')' + b'\x85' * DEEP), b's'
    ),
    'a type nested deeply': attack(
        b'}', text('a'), RECONSTRUCTED.replace(text('V1'), b')' + b'\x85' * DEEP), b's'
    ),
    'a place far out in the memory of objects': attack(b'}', b'r\xff\xff\xff\xff'),
    'bytes without end': attack(b'\x8e' + struct.pack('<Q', 1 << 60)),
    'a byte array of a gigabyte': attack(b'\x96' + struct.pack('<Q', 1 << 30)),
    'a byte array without end': attack(b'\x96' + struct.pack('<Q', 1 << 60)),
    'a frame without end': b'\x80\x04\x95' + struct.pack('<Q', 1 << 60),
    'state for a thing asked for': attack(NDARRAY, b'}', text('__call__'), ONE, b'sb'),
    'a class made new': attack(NDARRAY, b')\x81'),
    'a thing of the interpreter': attack(b'cbuiltins\neval\n', text('1'), b'\x85R'),
    'an attribute of the reader': attack(b'cnumpy\nndarray.__class__\n'),
    'a registered extension': attack(b'\x82\x01'),
    'another file': attack(text('x'), b'Q'),
    'a call of a text': attack(text('x'), b')R'),
    'a list as array': attack(b'}', text('model'), b']', b's'),
}


@pytest.fixture(scope='module')
def attacked(tmp_path_factory):
    """What reading each of the attacks printed, in a process of its own that they may end."""
    folder = tmp_path_factory.mktemp('attacks')
    for i, content in enumerate(ATTACKS.values()):
        (folder / f'{i}.pkl').write_bytes(content)
    code = (
        'import resource, sys\n'
        'from pathlib import Path\n'
        'from mmdet_ps.models.detectron2_pickle import read_arrays\n'
        'resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n'
        f'for i in range({len(ATTACKS)}):\n'
        '    try:\n'
        '        print(i, list(read_arrays(Path(sys.argv[1], f"{i}.pkl"))), flush=True)\n'
        '    except ValueError as error:\n'
        '        print(i, error, flush=True)\n'
        'from mmdet_ps.utils.timing import peak_memory\n'
        'print(peak_memory())\n'
    )
    command = [sys.executable, '-c', code, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (done.returncode, done.stdout[-500:], done.stderr[-2000:])
    *lines, peak = done.stdout.splitlines()
    assert float(peak) < 1024, 'a file made the reader take a gigabyte'
    return dict(enumerate(lines))


@pytest.mark.parametrize('number', range(len(ATTACKS)), ids=list(ATTACKS))
def test_attacks_are_one_line(attacked, number):
    start, rest = attacked[number].split(' ', 1)
    assert start == str(number) and len(rest) < 500
    # A list in the place of the arrays, and things without arrays in them, are no arrays.
    assert rest == '[]' or f'{number}.pkl' in rest
    if list(ATTACKS)[number] == 'a thing of the interpreter':
        assert 'asks for builtins.eval while it is read: refused' in rest


def test_what_is_no_array_is_told(tmp_path):
    def spoilt(old, new):
        data = pickle.dumps(dict(model=dict(a=np.ones((2, 3), np.float32))), 3)
        assert data.count(old) == 1, data
        return written(tmp_path, data.replace(old, new))

    for old, new, said in (
        (b'K\x02K\x03\x86', b'K\x02K\x04\x86', r'a is no array \(float32 of shape \(2, 4\) has'),
        (b'K\x02K\x03\x86', b'K\x02\x85', r'of shape \(2,\) has other bytes'),
        (b'K\x02K\x03\x86', b'J\xff\xff\xff\xff\x85', 'of a shape that cannot be'),
        (b'K\x02K\x03\x86', b'K\x06', 'without a shape'),
        (text('f4'), text('O8'), 'of a type that is not known'),
        (text('f4'), text('f8'), r'float64 of shape \(2, 3\) has other bytes'),
        (text('<'), text('!'), 'of a type that is not known'),
    ):
        with pytest.raises(ValueError, match=f'a.pkl: .*{said}'):
            list(read_arrays(spoilt(old, new)))


def test_arrays_are_not_larger_than_the_file(tmp_path):
    array = np.ones(1000, np.float32)
    path = written(tmp_path, dict(model={str(i): array for i in range(100)}))
    with pytest.raises(ValueError, match='a.pkl: the arrays up to 1 are larger than the file'):
        list(read_arrays(path))


def test_flipped_bits_and_cuts_are_one_line(tmp_path):
    content = dict(model={'a': np.ones((2, 3), np.float32), 'b': np.arange(2)}, note='x', n=1)
    for protocol in (0, 2, 5):
        whole = pickle.dumps(content, protocol)
        damaged = [whole[:place] for place in range(len(whole))]
        for place in range(len(whole)):
            for bit in (0, 3, 6):
                changed = bytearray(whole)
                changed[place] ^= 1 << bit
                damaged.append(bytes(changed))
        path = tmp_path / 'a.pkl'
        for data in damaged:
            path.write_bytes(data)
            try:
                read = list(read_arrays(path))
            except ValueError as error:
                assert 'a.pkl' in str(error)
            else:
                assert all(array.dtype.kind in 'fiub' for _, array in read)
