"""Give an mp4 file of constant frame rate other time stamps."""

import struct

_INNER = (b'moov', b'trak', b'mdia', b'minf', b'stbl')


def _boxes(data):
    place = 0
    while place < len(data):
        size, kind = struct.unpack('>I4s', data[place : place + 8])
        yield kind, data[place + 8 : place + size]
        place += size


def _box(kind, body):
    return struct.pack('>I4s', len(body) + 8, kind) + body


def _change(kind, body, durations):
    if kind in _INNER:
        return _box(kind, b''.join(_change(k, b, durations) for k, b in _boxes(body)))
    if kind == b'stts':
        entries = b''.join(struct.pack('>II', 1, ticks) for ticks in durations)
        return _box(kind, struct.pack('>II', 0, len(durations)) + entries)
    if kind == b'edts':
        return b''
    return _box(kind, body)


def set_durations(path, durations):
    """Let the frames of an mp4 last so many ticks (of the track's time scale).

    The index has to stand behind the frames, as OpenCV writes it: then no offset changes.
    """
    data = path.read_bytes()
    assert data.index(b'moov') > data.index(b'mdat')
    path.write_bytes(b''.join(_change(kind, body, durations) for kind, body in _boxes(data)))


def time_scale(path):
    """Ticks a second of the track."""
    data = path.read_bytes()
    place = data.index(b'mdhd') + 4
    assert data[place] == 0
    return struct.unpack('>I', data[place + 12 : place + 16])[0]
