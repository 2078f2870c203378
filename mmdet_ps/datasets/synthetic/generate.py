"""Rendering of a whole data set by several processes, into a folder that appears when complete."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from .camera import Camera, make_camera
from .plan import ScenePlan, Settings, plan_scenes
from .release import WRITERS, Annotated, picture_name
from .scene import render_scene
from .wardrobe import Identity

# Names the data as made by this module, so that --force never deletes anything else.
MARKER = 'synthetic.json'
_JPEG_QUALITY = 92


@lru_cache(maxsize=8)
def _camera(seed: int, index: int, width: int, height: int) -> Camera:
    return make_camera(seed, index, width, height)


def _render(
    root: Path, settings: Settings, identities: list[Identity], plan: ScenePlan
) -> Annotated:
    """Render one scene into ``root``; depends on nothing but its arguments."""
    camera = _camera(settings.seed, plan.camera, settings.width, settings.height)
    wardrobes = [identities[pid].wardrobe if pid >= 0 else None for pid in plan.cast]
    seeds = np.random.SeedSequence(settings.seed, spawn_key=(2, plan.index))
    scene = render_scene(seeds, camera, wardrobes)
    path = root / picture_name(settings.layout, plan)
    if not cv2.imwrite(str(path), scene.picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]):
        raise OSError(f'{path}: the picture could not be written')
    return Annotated(plan, path.name, scene.boxes, scene.visible, settings.height)


def _refuse(out: Path, force: bool) -> None:
    """Stop where data would be lost."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ValueError(f'{out}: is not a folder; give another --out')
    if not out.exists() or not any(out.iterdir()):
        return
    if not force:
        raise ValueError(
            f'{out}: exists and is not empty; give another --out, or --force to replace'
        )
    if not (out / MARKER).is_file():
        raise ValueError(
            f'{out}: holds no {MARKER}, so it was not made here and --force will not replace it; '
            'give another --out'
        )


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` that takes its place when the block ends without an error."""
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f'.{out.name}.', dir=out.parent))
    try:
        new = work / 'new'
        new.mkdir()
        yield new
        if out.exists():
            out.rename(work / 'old')
        new.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def make_dataset(
    settings: Settings, out: Path, workers: int = 1, force: bool = False, progress: bool = False
) -> dict[str, int]:
    """Write a data set in an official release layout.

    Args:
        settings: what to draw; the same settings give the same bytes, whatever ``workers`` is.
        out: folder to make; it appears when everything is written.
        workers: processes that render.
        force: replace a data set that was made here before.
        progress: show a progress bar on stderr.

    Returns:
        Numbers of images, people, people with an identity, and queries.

    Raises:
        ValueError: ``out`` holds something, or ``workers`` is below 1.
    """
    out = Path(out)
    if workers < 1:
        raise ValueError(f'--workers {workers}: must be at least 1')
    _refuse(out, force)
    identities, plans = plan_scenes(settings)
    with _replacing(out) as root:
        for folder in {(root / picture_name(settings.layout, plan)).parent for plan in plans}:
            folder.mkdir(parents=True)
        render = partial(_render, root, settings, identities)
        bar = partial(tqdm, total=len(plans), desc='scenes', unit='img', disable=not progress)
        if workers == 1:
            scenes = list(bar(map(render, plans)))
        else:
            with ProcessPoolExecutor(workers) as pool:
                scenes = list(bar(pool.map(render, plans, chunksize=4)))
        queries = WRITERS[settings.layout](root, scenes, settings.seed)
        (root / MARKER).write_text(json.dumps(asdict(settings), indent=2) + '\n')
    cast = [pid for plan in plans for pid in plan.cast]
    return {
        'images': len(plans),
        'people': len(cast),
        'labelled': sum(pid >= 0 for pid in cast),
        'queries': queries,
    }
