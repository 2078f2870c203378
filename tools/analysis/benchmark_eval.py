"""How much faster the evaluator is than plain loops, and whether both give the same numbers.

Draws a random test set of CUHK-SYSU's or PRW's size (or takes the protocol of a real release) with
random detections near the people, saves protocol and results, and evaluates them in two processes
of their own: ``mmdet_ps.core.evaluation``, and the plain loops of its tests, which are those that
public scripts have. Times are those of whole processes, from start to exit. Both read the same
results file and the compact protocol; since public scripts read CUHK-SYSU's TestG file itself with
``scipy.io.loadmat`` at each evaluation, the loop is timed with that as well.

Example:
    python tools/analysis/benchmark_eval.py cuhk_sysu
    python tools/analysis/benchmark_eval.py prw --release data/prw
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mmdet_ps.core.evaluation import SearchProtocol, evaluate_search, load_protocols
from mmdet_ps.core.evaluation.protocol import People
from mmdet_ps.core.results_io import load_results, save_results
from mmdet_ps.utils.cli import run_tool

METRICS = ('mAP', 'top1', 'top5', 'top10')
SCORE_THR = 0.2


def random_boxes(rng, count):
    """(count, 4) int32 x1 y1 x2 y2 of people-like shape."""
    corner = rng.integers(0, 1200, (count, 2))
    height = rng.integers(60, 400, count)
    size = np.stack([height * 2 // 5, height], axis=1)
    return np.concatenate([corner, corner + size], axis=1).astype(np.int32)


def random_cuhk(rng, num_images=6978, num_queries=2900, size=100):
    """A protocol of the size of TestG100: one identity a query, 1 - 13 ground truths."""
    names = [f's{i}.jpg' for i in range(num_images)]
    truths = np.minimum(rng.geometric(0.53, num_queries), 13)
    images = np.stack([rng.choice(num_images, size + 1, False) for _ in range(num_queries)])
    return SearchProtocol(
        f'G{size}',
        names,
        images[:, -1],
        random_boxes(rng, num_queries),
        np.arange(num_queries),
        np.concatenate([[0], np.cumsum(truths)]),
        np.concatenate([np.arange(count) for count in truths]),
        random_boxes(rng, truths.sum()),
        np.arange(num_queries + 1) * size,
        images[:, :size].ravel(),
    )


def random_prw(rng, num_images=6112, num_queries=2057, num_people=19000, num_pids=450):
    """A protocol of the size of PRW's test split, open gallery."""
    names = [f'c{i % 6 + 1}s1_{i:06d}.jpg' for i in range(num_images)]
    images = np.sort(rng.integers(0, num_images, num_people))
    people = People(images, rng.integers(0, num_pids, num_people), random_boxes(rng, num_people))
    chosen = rng.choice(num_people, num_queries, False)
    queries = [(int(images[i]), int(people.pids[i]), people.boxes[i]) for i in chosen]
    return SearchProtocol.from_people(names, queries, people)


def random_results(rng, protocol, per_image, size):
    """Results with a detection near every box of the protocol and others anywhere."""
    people = [{} for _ in protocol.image_names]
    for q, pid in enumerate(protocol.query_pids.tolist()):
        people[protocol.query_images[q]][pid] = protocol.query_boxes[q]
        for image, box in zip(*protocol.ground_truth(q), strict=True):
            people[image][pid] = box
    centres = rng.normal(size=(int(protocol.query_pids.max()) + 1, size))
    results = []
    for name, here in zip(protocol.image_names, people, strict=True):
        boxes = random_boxes(rng, per_image).astype(np.float32)
        feats = rng.normal(size=(per_image, size))
        for i, (pid, box) in enumerate(list(here.items())[:per_image]):
            boxes[i] = box + rng.normal(0, 4, 4)
            feats[i] = centres[pid] + rng.normal(0, 2.2, size)
        scores = np.sort(rng.uniform(SCORE_THR + 0.01, 1, (per_image, 1)))[::-1]
        order = rng.permutation(per_image)
        results.append(
            {
                'bboxes': np.concatenate([boxes[order], scores], axis=1).astype(np.float32),
                'feats': {'feature': feats[order].astype(np.float32)},
                'img_name': name,
            }
        )
    return results


def write_testg(protocol, path):
    """The protocol as an official TestG file."""
    from scipy.io import savemat

    images = [(name, np.zeros((1, 0)), np.zeros((1, 0))) for name in protocol.image_names]

    def people(names, boxes):
        sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        return [
            (name, box[None].astype(np.uint16), np.zeros((1, 1), np.uint8))
            for name, box in zip(names, sizes, strict=True)
        ]

    def struct(fields, rows):
        records = np.empty((1, len(rows)), [(name, object) for name in fields])
        records[0] = rows
        return records

    fields, rows = ('imname', 'idlocate', 'ishard'), []
    for q, query in enumerate(people(protocol.query_names, protocol.query_boxes)):
        gallery = [images[i] for i in protocol.gallery(q)]
        found, boxes = protocol.ground_truth(q)
        span = slice(protocol.gt_indptr[q], protocol.gt_indptr[q + 1])
        truths = people([protocol.image_names[i] for i in found], boxes)
        for place, truth in zip(protocol.gt_places[span], truths, strict=True):
            gallery[place] = truth
        rows.append((struct((*fields, 'idname'), [(*query, f'p{q}')]), struct(fields, gallery)))
    name = f'Test{protocol.name}'
    with open(path, 'wb') as stream:
        savemat(stream, {name: struct(('Query', 'Gallery'), rows)}, do_compression=True)


def read_testg(path):
    """The protocol as public scripts read it, with ``loadmat``."""
    from scipy.io import loadmat

    content = loadmat(path)
    [records] = [content[name].ravel() for name in content if name.startswith('TestG')]
    index, queries, galleries, places, boxes = {}, [], [], [], []
    for record in records:
        query, gallery = record['Query'][0, 0], record['Gallery'].ravel()
        image = index.setdefault(str(query['imname'][0]), len(index))
        queries.append((image, *query['idlocate'][0].astype(np.int32)))
        galleries.append([index.setdefault(str(e['imname'][0]), len(index)) for e in gallery])
        found = [i for i, entry in enumerate(gallery) if entry['idlocate'].size]
        places.append(found)
        boxes += [gallery[i]['idlocate'][0].astype(np.int32) for i in found]
    queries, boxes = np.array(queries), np.array(boxes)
    queries[:, 3:] += queries[:, 1:3]
    boxes[:, 2:] += boxes[:, :2]
    return SearchProtocol(
        'TestG',
        list(index),
        queries[:, 0],
        queries[:, 1:],
        np.arange(len(queries)),
        np.cumsum([0, *map(len, places)]),
        np.concatenate(places),
        boxes,
        np.cumsum([0, *map(len, galleries)]),
        np.concatenate(galleries),
    )


def evaluate(form, folder, gallery):
    """What a child process does: read both files, evaluate, print the numbers and its memory."""
    results = load_results(folder / 'results.npz')
    if form == 'slow-mat':
        protocol = read_testg(folder / 'testg.mat')
    else:
        [protocol] = load_protocols(folder, [gallery])
    names = [result['img_name'] for result in results]
    bboxes = [result['bboxes'] for result in results]
    feats = [result['feats']['feature'] for result in results]
    if form == 'fast':
        numbers = evaluate_search(protocol, names, bboxes, feats, SCORE_THR)
    else:
        from tests.core.evaluation.reference import reference_search

        numbers = reference_search(protocol, names, bboxes, feats, SCORE_THR, dtype=np.float32)
    numbers = {key: numbers[key] for key in METRICS}
    numbers['peak_mib'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(numbers))


def timed(form, folder, gallery):
    """Run one child process: its numbers, wall-clock and CPU seconds."""
    command = [sys.executable, __file__, '--child', form, str(folder), gallery]
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get('PYTHONPATH')]))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, 'PYTHONPATH': path}
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise ValueError(f'the {form} evaluation failed: {done.stderr.strip()[-300:]}')
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**json.loads(done.stdout.splitlines()[-1]), 'wall': wall, 'cpu': cpu}


def benchmark(args, folder):
    """Prepare the files, run both forms and print the comparison."""
    rng = np.random.default_rng(args.seed)
    gallery = 'all' if args.dataset == 'prw' else f'G{args.gallery}'
    if args.release:
        start = time.perf_counter()
        [protocol] = load_protocols(args.release, [gallery])
        print(f'protocol of {args.release} read in {time.perf_counter() - start:.1f} s')
    elif args.dataset == 'prw':
        protocol = random_prw(rng)
    else:
        protocol = random_cuhk(rng, size=args.gallery)
    protocol.save(folder / 'protocol' / f'{gallery}.npz')
    results = random_results(rng, protocol, args.detections, args.feature_size)
    save_results(folder / 'results.npz', results)
    print(
        f'{args.dataset} {gallery}: {protocol.num_queries} queries, '
        f'{len(protocol.image_names)} images, {args.detections} detections an image, '
        f'{args.feature_size}-d features'
    )
    del results
    runs = [timed('fast', folder, gallery) for _ in range(args.repeat)]
    fast = sorted(runs, key=lambda run: run['wall'])[len(runs) // 2]
    show('evaluator', fast)
    forms = {'slow': 'plain loops'}
    if args.dataset == 'cuhk_sysu':
        write_testg(protocol, folder / 'testg.mat')
        forms['slow-mat'] = 'same, TestG by loadmat'
    for form, name in forms.items():
        slow = timed(form, folder, gallery)
        show(name, slow)
        difference = max(abs(fast[key] - slow[key]) for key in METRICS)
        print(
            f'  ratio {slow["wall"] / fast["wall"]:.1f} (wall), {slow["cpu"] / fast["cpu"]:.1f} '
            f'(CPU); largest difference of the numbers {difference:.1e}'
        )


def show(name, run):
    """Print one line about a child process."""
    numbers = '  '.join(f'{key} {100 * run[key]:.4f}' for key in METRICS)
    print(
        f'{name:22s} {run["wall"]:7.2f} s wall  {run["cpu"]:7.2f} s CPU  '
        f'{run["peak_mib"]:5.0f} MiB  {numbers}',
        flush=True,
    )


def main():
    """Parse the command line."""
    if sys.argv[1:2] == ['--child']:
        form, folder, gallery = sys.argv[2:]
        evaluate(form, Path(folder), gallery)
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('dataset', choices=['cuhk_sysu', 'prw'])
    parser.add_argument('--gallery', type=int, default=100, help='gallery size on CUHK-SYSU')
    parser.add_argument('--release', help='take the protocol of this unpacked release')
    parser.add_argument('--detections', type=int, default=10, help='an image')
    parser.add_argument('--feature-size', type=int, default=256)
    parser.add_argument('--repeat', type=int, default=3, help='runs of the evaluator (median)')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        benchmark(args, Path(folder))


if __name__ == '__main__':
    run_tool(main)
