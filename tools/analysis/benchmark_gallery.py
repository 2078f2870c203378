"""How fast and how complete a gallery of many people is searched.

People are drawn as identities: each has a centre (a random point of a 64-dimensional subspace, as
embeddings of people do not fill all their dimensions) and some twenty views around it. They are put
into a new gallery as `Gallery.add` does it, in commits of 10,000, and searched by new views of
identities that are in it, with and without a filter on one of a hundred cameras. What is found is
compared with all similarities, computed in NumPy from the same numbers. Queries are timed in
processes of their own: cold is the first one after the files were dropped from the page cache and
the gallery opened, warm are those after it.

Example:
    python tools/analysis/benchmark_gallery.py --people 100000 --folder /tmp/bench --json out.json
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmdet_ps.utils.cli import run_tool

CHUNK = 10_000
VIEWS = 20
LATENT = 64
CAMERAS = 100
# Of the noise around a centre of length 1: views of one identity then have cosines around 0.7.
SPREAD = 0.65
TOP = 100


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--people', type=int, default=100_000, metavar='N')
    parser.add_argument('--dim', type=int, default=256, metavar='D')
    parser.add_argument('--queries', type=int, default=100, metavar='N')
    parser.add_argument('--cold', type=int, default=3, metavar='N', help='processes a filter')
    parser.add_argument('--folder', required=True, metavar='DIR', help='new; removed at the end')
    parser.add_argument('--keep', action='store_true', help='do not remove the gallery')
    parser.add_argument('--json', metavar='FILE', help='write the numbers')
    return parser.parse_args()


class People:
    """Random people, the same each time they are asked for."""

    def __init__(self, count: int, dim: int) -> None:
        self.count, self.dim = count, dim
        self.identities = max(count // VIEWS, 1)
        self.basis = np.random.default_rng(1).normal(size=(min(LATENT, dim), dim)) / np.sqrt(dim)

    def identity(self, places: np.ndarray) -> np.ndarray:
        """Which identity stands at a place: views of one are spread over the whole gallery."""
        return places % self.identities

    def centres(self, identities: np.ndarray) -> np.ndarray:
        """(n, D), of length 1."""
        # A generator for each would be slow: numbers of its block, of which its row is taken.
        block = 4096
        found = np.empty((len(identities), self.dim))
        for first in np.unique(identities // block):
            rng = np.random.default_rng((2, int(first)))
            latent = rng.normal(size=(block, len(self.basis)))
            rows = identities // block == first
            found[rows] = latent[identities[rows] % block] @ self.basis
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def views(self, identities: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
        """(n, D) float32, of length 1."""
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(len(identities), self.dim)) * (SPREAD / np.sqrt(self.dim))
        views = self.centres(identities) + noise
        return (views / np.linalg.norm(views, axis=1, keepdims=True)).astype(np.float32)

    def chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Places, cameras and embeddings, a commit at a time."""
        for start in range(0, self.count, CHUNK):
            places = np.arange(start, min(start + CHUNK, self.count))
            cameras = np.random.default_rng((3, start)).integers(0, CAMERAS, len(places))
            yield places, cameras, self.views(self.identity(places), (4, start))


class Model:
    """Stands in for a model: a gallery wants to know whose embeddings it holds."""

    model, batch = 'benchmark', 1

    def __init__(self, dim: int) -> None:
        self.dim = dim


def source_of(place: int) -> str:
    """A thousand people a video."""
    return f'/videos/{place // 1000:06d}.mp4'


def build(people: People, folder: str) -> dict[str, float]:
    """Fill a gallery; gives seconds and bytes."""
    from mmdet_ps.gallery import Gallery
    from mmdet_ps.gallery.filters import any_of
    from mmdet_ps.gallery.schema import people_table

    gallery = Gallery(folder, Model(people.dim))
    writing = maintaining = 0.0
    for number, (places, cameras, feats) in enumerate(people.chunks(), 1):
        sources = [source_of(place) for place in places]
        columns = dict(
            id=[f'{source}#{place}#0' for source, place in zip(sources, places, strict=True)],
            source=sources,
            frame=places.tolist(),
            position=(places % 1000 / 2).tolist(),
            time=(places / 2).tolist(),
            camera=[f'camera {camera}' for camera in cameras],
            box=list(np.tile(np.float32([0, 0, 50, 150]), (len(places), 1))),
            score=[0.9] * len(places),
            stamp=['1'] * len(places),
        )
        table = people_table(columns, feats, gallery.index.schema)
        start = time.perf_counter()
        gallery.index.put_people(table, any_of('source', sorted(set(sources))))
        writing += time.perf_counter() - start
        if number % 64 == 0:
            start = time.perf_counter()
            gallery.maintain()
            maintaining += time.perf_counter() - start
    start = time.perf_counter()
    gallery.maintain()
    maintaining += time.perf_counter() - start
    files = [path for path in Path(folder).rglob('*') if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return dict(write_seconds=writing, index_seconds=maintaining, bytes=size)


def truth(
    people: People, queries: np.ndarray, identities: np.ndarray, filtered: bool
) -> tuple[np.ndarray, list[set[int]]]:
    """What an exact search finds.

    Returns:
        Places of the most similar people, (Q, TOP), best first, -1 where there are fewer; and the
        places of all views of each query's identity.
    """
    sims = np.full((len(queries), TOP), -np.inf, np.float32)
    found = np.full((len(queries), TOP), -1)
    own: list[set[int]] = [set() for _ in queries]
    for places, cameras, feats in people.chunks():
        kept = cameras == 0 if filtered else np.ones(len(places), bool)
        places, stored = places[kept], feats[kept].astype(np.float16).astype(np.float32)
        stored /= np.linalg.norm(stored, axis=1, keepdims=True)
        all_sims = np.concatenate([sims, queries @ stored.T], axis=1)
        all_places = np.concatenate([found, np.tile(places, (len(queries), 1))], axis=1)
        order = np.argsort(-all_sims, axis=1, kind='stable')[:, :TOP]
        sims = np.take_along_axis(all_sims, order, axis=1)
        found = np.take_along_axis(all_places, order, axis=1)
        for query, identity in enumerate(identities):
            own[query].update(places[people.identity(places) == identity].tolist())
    return found, own


def ask(folder: str, queries: np.ndarray, filtered: bool, answers) -> None:
    """Search in a process of its own; puts seconds, places and peak memory into a queue."""
    from mmdet_ps.gallery import Gallery

    start = time.perf_counter()
    gallery = Gallery(folder)
    opened = time.perf_counter() - start
    seconds, places = [], []
    for query in queries:
        start = time.perf_counter()
        hits = gallery.search(query, TOP, cameras=['camera 0'] if filtered else None)
        seconds.append(time.perf_counter() - start)
        places.append([hit.frame for hit in hits])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answers.put((opened, seconds, places, peak))


def forget(folder: str) -> None:
    """Drop a folder's files from the page cache."""
    os.sync()
    for path in Path(folder).rglob('*'):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def measure(
    folder: str,
    queries: np.ndarray,
    exact: np.ndarray,
    own: list[set[int]],
    filtered: bool,
    cold: int,
) -> dict[str, float]:
    """Time queries and compare what they find."""
    context = multiprocessing.get_context('spawn')
    first, opening = [], []
    for number in range(cold):
        forget(folder)
        answers = context.Queue()
        # The last process goes on with all queries, warm.
        part = queries if number == cold - 1 else queries[:1]
        process = context.Process(target=ask, args=(folder, part, filtered, answers))
        process.start()
        opened, seconds, places, peak = answers.get()
        process.join()
        first.append(seconds[0])
        opening.append(opened)
    recalls, shares = [], []
    for best, entries, got in zip(exact, own, places, strict=True):
        wanted = set(best[best >= 0].tolist())
        recalls.append(len(wanted & set(got)) / max(len(wanted), 1))
        if entries:
            shares.append(len(entries & set(got)) / len(entries))
    warm = np.array(seconds[1:]) * 1000
    return dict(
        open_ms=float(np.median(opening)) * 1000,
        cold_ms=float(np.median(first)) * 1000,
        p50_ms=float(np.percentile(warm, 50)),
        p95_ms=float(np.percentile(warm, 95)),
        recall=float(np.mean(recalls)),
        own=float(np.mean(shares)) if shares else float('nan'),
        peak_bytes=float(peak),
    )


def main() -> None:
    """Build, search, print."""
    args = parse_args()
    if min(args.people, args.dim, args.cold) < 1 or args.queries < 2:
        raise ValueError('--people, --dim and --cold must be 1 or more, --queries 2 or more')
    if os.path.exists(args.folder):
        raise ValueError(f'{args.folder}: is there already; give a new folder')
    from mmdet_ps.core.evaluation import write_json
    from mmdet_ps.utils.io import check_writable

    check_writable(args.json)
    warnings.simplefilter('ignore')
    people = People(args.people, args.dim)
    rng = np.random.default_rng(5)
    identities = rng.integers(0, people.identities, args.queries)
    queries = people.views(identities, (6,))
    try:
        report = dict(people=args.people, dim=args.dim, **build(people, args.folder))
        print(
            f'{args.people} people of {args.dim}-d: written in {report["write_seconds"]:.1f} s, '
            f'indexed in {report["index_seconds"]:.1f} s, {report["bytes"] / 2**20:.0f} MiB'
        )
        print('filter  open ms  cold ms  p50 ms  p95 ms  recall@100  own found  peak MiB')
        for filtered in (False, True):
            exact, own = truth(people, queries, identities, filtered)
            row = measure(args.folder, queries, exact, own, filtered, args.cold)
            report['filtered' if filtered else 'all'] = row
            print(
                f'{"1 %" if filtered else "none":6}  {row["open_ms"]:7.0f}  {row["cold_ms"]:7.1f}  '
                f'{row["p50_ms"]:6.1f}  {row["p95_ms"]:6.1f}  {row["recall"]:10.4f}  '
                f'{row["own"]:9.4f}  {row["peak_bytes"] / 2**20:8.0f}'
            )
    finally:
        if not args.keep:
            shutil.rmtree(args.folder, ignore_errors=True)
    if args.json:
        write_json(report, args.json)


if __name__ == '__main__':
    run_tool(main)
