"""Tiny releases in the official nesting, written by ``scipy.io.savemat``.

Everything is given by hand: boxes are x y w h; what a reader has to make of them is worked out in
the tests.
"""

import cv2
import numpy as np
from scipy.io import savemat

CUHK_PICTURES = {
    's1.jpg': [(10, 20, 30, 60), (100, 30, 20, 50), (5, 5, 0, 9)],
    's2.jpg': [(40, 10, 25, 70)],
    's3.jpg': [(60, 15, 30, 60), (10, 15, 20, 40)],
    's4.jpg': [(12, 8, 33, 66), (80, 8, 30, 60)],
    's5.jpg': [(70, 9, 28, 55), (-3, 12, 22, 44)],
    's6.jpg': [(20, 11, 27, 53)],
}
CUHK_TRAIN = [
    [('s1.jpg', (10, 20, 30, 60)), ('s2.jpg', (40, 10, 25, 70))],
    [('s3.jpg', (60, 15, 30, 60))],
]
CUHK_POOL = ['s6.jpg', 's4.jpg', 's5.jpg']
CUHK_TEST = [
    (('s4.jpg', (12, 8, 33, 66)), [('s5.jpg', (70, 9, 28, 55)), ('s6.jpg', None)]),
    (('s6.jpg', (20, 11, 27, 53)), [('s5.jpg', (-3, 12, 22, 44)), ('s4.jpg', None)]),
]
PRW_TRAIN = {
    'c1s1_000151': [(3, 10, 20, 30, 60), (-2, 60, 20, 30, 60), (932, 100.5, 20.25, 30, 60)],
    'c2s1_000200': [(932, 10, 20, 30, 60), (1, -4, -2, 30, 60)],
}
PRW_TEST = {
    'c1s2_000301': [(480, 10, 20, 30, 60), (-2, 60, 20, 30, 60)],
    'c6s1_000302': [(480, 50, 10, 30, 60), (-2, 10, 10, 20, 0)],
    'c3s1_000303': [(7, 5, 6, 30, 60), (480, 90, 9, 31, 61)],
}
PRW_QUERIES = [(480, 10, 20, 30, 60, 'c1s2_000301'), (7, 5, 6, 30, 60, 'c3s1_000303')]
SIZE = (160, 90)


def write_picture(path, size=SIZE, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), pixels)


def records(fields, rows):
    """(1, n) struct array as Matlab has it."""
    out = np.zeros((1, len(rows)), dtype=[(name, object) for name in fields])
    for i, row in enumerate(rows):
        for name, value in zip(fields, row, strict=True):
            out[name][0, i] = value
    return out


def cells(values, column=True):
    out = np.empty((len(values), 1) if column else (1, len(values)), dtype=object)
    for i, value in enumerate(values):
        out.flat[i] = value
    return out


def place(box):
    return np.zeros((0, 0)) if box is None else np.array([box], dtype=np.int32)


def write_cuhk(
    root, pictures=CUHK_PICTURES, train=CUHK_TRAIN, pool=CUHK_POOL, test=CUHK_TEST, sizes=(50, 100)
):
    """CUHK-SYSU's folders; ``train`` and ``test`` as in the constants above."""
    folder = root / 'annotation' / 'test' / 'train_test'
    folder.mkdir(parents=True)
    for i, name in enumerate(pictures):
        write_picture(root / 'Image' / 'SSM' / name, seed=i)
    images = [
        (name, len(boxes), records(('idlocate', 'ishard'), [(place(b), 0) for b in boxes]))
        for name, boxes in pictures.items()
    ]
    savemat(
        root / 'annotation' / 'Images.mat', {'Img': records(('imname', 'nAppear', 'box'), images)}
    )
    savemat(root / 'annotation' / 'pool.mat', {'pool': cells(pool)})
    identities = [
        records(
            ('idname', 'nAppear', 'scene'),
            [
                (
                    f'p{i}',
                    len(seen),
                    records(('imname', 'idlocate', 'ishard'), [(n, place(b), 0) for n, b in seen]),
                )
            ],
        )
        for i, seen in enumerate(train)
    ]
    savemat(folder / 'Train.mat', {'Train': cells(identities)})
    rows = []
    for i, ((name, box), gallery) in enumerate(test):
        query = records(
            ('imname', 'idlocate', 'ishard', 'idname'), [(name, place(box), 0, f'q{i}')]
        )
        listed = [(n, place(b), 0) for n, b in gallery]
        rows.append((query, records(('imname', 'idlocate', 'ishard'), listed)))
    for size in sizes:
        savemat(folder / f'TestG{size}.mat', {f'TestG{size}': records(('Query', 'Gallery'), rows)})
    return root


def write_prw(root, train=PRW_TRAIN, test=PRW_TEST, queries=PRW_QUERIES):
    """PRW's folders; the annotation arrays go under the three official names in turn."""
    (root / 'annotations').mkdir(parents=True)
    keys = ('box_new', 'anno_file', 'anno_previous')
    for i, (frame, rows) in enumerate([*train.items(), *test.items()]):
        write_picture(root / 'frames' / f'{frame}.jpg', seed=i)
        array = np.array(rows, dtype=np.float64).reshape(-1, 5)
        savemat(root / 'annotations' / f'{frame}.jpg.mat', {keys[i % 3]: array})
    savemat(root / 'frame_train.mat', {'img_index_train': cells(list(train))})
    savemat(root / 'frame_test.mat', {'img_index_test': cells(list(test))})
    lines = [f'{" ".join(str(v) for v in row)}\r\n' for row in queries]
    (root / 'query_info.txt').write_bytes(''.join(lines).encode())
    return root
