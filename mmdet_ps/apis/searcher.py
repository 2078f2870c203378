"""Search people in own pictures: find them, describe one, keep them in a gallery."""

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import collate
from mmdet.datasets.pipelines import Compose

from mmdet_ps.core.parallel import to_device
from mmdet_ps.datasets.pipelines import use_given_boxes
from mmdet_ps.downloads import find_released
from mmdet_ps.gallery.people import People
from mmdet_ps.gallery.pictures import as_picture
from mmdet_ps.utils.pictures import box_position

from .config import load_config
from .test import load_model

if TYPE_CHECKING:
    from mmdet_ps.gallery import Gallery

Picture = str | os.PathLike | np.ndarray


class PersonSearcher:
    """A trained model that finds people in pictures and searches them in galleries.

    Threads may share one; they take turns at the network.

    Example:
        >>> from mmdet_ps.apis import PersonSearcher
        >>> searcher = PersonSearcher('config.py', 'checkpoint.pth')
        >>> people = searcher.find('street.jpg')
        >>> gallery = searcher.gallery('my_people')
        >>> gallery.add('videos/')
        >>> hits = gallery.search(people.feats[0])
        >>> hits.draw('hits.jpg')

    Args:
        config: Config file of the model, or the loaded config; or the name of a published
            checkpoint that ``tools/download.py`` has fetched, ``'alignps_r50_prw'`` say.
        checkpoint: Its weights; None keeps random ones. Left out with a published checkpoint.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``, ...; ``'auto'`` is CUDA where there is a GPU.
        batch: Pictures that the network takes at a time; by default 8 on a GPU, else 1.

    Attributes:
        dim: Size of an embedding.
        model: Fingerprint of the weights, 16 hexadecimal digits.

    Raises:
        FileNotFoundError: No such config or checkpoint.
        ValueError: They do not belong together, or there is no such device.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path | None = '',
        device: str = 'auto',
        batch: int | None = None,
    ) -> None:
        if batch is not None and batch < 1:
            raise ValueError(f'batch={batch}: must be 1 or more')
        self.device = _device(device)
        self.batch = batch or (8 if self.device.type == 'cuda' else 1)
        if checkpoint == '':
            config, checkpoint = find_released(str(config))
        cfg = config if isinstance(config, Config) else load_config(config)
        self.network = load_model(cfg, None if checkpoint is None else str(checkpoint))
        self.network.to(self.device)
        self._turn = threading.Lock()
        steps = list(cfg.data.test.pipeline)
        given = use_given_boxes(dict(pipeline=steps), 'gt')['pipeline']
        # In place of the step that loads a picture, one that takes the array that is there.
        take = dict(type='LoadImageFromWebcam', to_float32=steps[0].get('to_float32', False))
        self._pipeline = Compose([take, *steps[1:]])
        self._describing = Compose([take, *given[1:]])

    @overload
    def find(self, pictures: Picture) -> People: ...
    @overload
    def find(self, pictures: Sequence[Picture]) -> list[People]: ...
    def find(self, pictures: Picture | Sequence[Picture]) -> People | list[People]:
        """Find people in one or several pictures.

        Args:
            pictures: Paths, or arrays (H, W, 3) uint8 in BGR as OpenCV reads them.

        Returns:
            The people of a picture, best first; a list of them for a list.

        Raises:
            PictureError: A picture is missing or broken.
            ValueError: An array is no picture.
        """
        if isinstance(pictures, str | os.PathLike | np.ndarray):
            return self.find([pictures])[0]
        found = []
        for start in range(0, len(pictures), self.batch):
            part = pictures[start : start + self.batch]
            ready = [self.prepare(as_picture(picture)) for picture in part]
            people = self.find_prepared(ready)
            found += [replace(p, picture=given) for p, given in zip(people, part, strict=True)]
        return found

    def describe(self, picture: Picture, box: Sequence[float]) -> np.ndarray:
        """Give the embedding of a person whose box is known.

        Args:
            picture: A path, or an array (H, W, 3) uint8 in BGR.
            box: x1 y1 x2 y2 in pixels of the upright picture.

        Returns:
            (D,) float32, of length 1.

        Raises:
            PictureError: The picture is missing or broken.
            ValueError: No box, or one outside the picture.
        """
        pixels = as_picture(picture)
        corners = np.asarray(box, np.float32)
        height, width = pixels.shape[:2]
        if corners.shape != (4,) or not np.isfinite(corners).all():
            raise ValueError(f'box {box}: must be four numbers, x1 y1 x2 y2')
        x1, y1, x2, y2 = corners.tolist()
        if x2 <= x1 or y2 <= y1:
            raise ValueError(f'box {corners.tolist()}: x2 must be above x1, and y2 above y1')
        if box_position((x1, y1, x2 - x1, y2 - y1), width, height) == 'outside':
            raise ValueError(
                f'box {corners.tolist()}: outside the picture, which is {width} x {height}'
            )
        corners = corners.clip(0, [width, height, width, height])
        data = self._describing(
            dict(img=pixels, bbox_fields=[], ann_info=dict(bboxes=corners[None]))
        )
        return self._run([data])[0].feats[0]

    def gallery(self, folder: str | os.PathLike, create: bool = True) -> 'Gallery':
        """Open a gallery, or make it.

        Args:
            folder: Path, or an address of object storage that LanceDB opens.
            create: Whether it is made where it is not there.

        Raises:
            FileNotFoundError: There is none, and none is to be made.
            ValueError: It belongs to another model, or LanceDB is missing.
        """
        from mmdet_ps.gallery import Gallery

        return Gallery(folder, self, create)

    def prepare(self, picture: np.ndarray) -> dict:
        """Make a picture ready for the network: resized, normalised, padded.

        Args:
            picture: (H, W, 3) uint8, BGR.
        """
        return self._pipeline(dict(img=picture, bbox_fields=[]))

    def find_prepared(self, prepared: Sequence[dict]) -> list[People]:
        """Find people in pictures that `prepare` has made ready.

        Pictures of one size go through the network together; one that was padded to the size of
        another would have slightly other embeddings.
        """
        found: list[People | None] = [None] * len(prepared)
        sizes: dict[tuple, list[int]] = {}
        for n, data in enumerate(prepared):
            sizes.setdefault(tuple(data['img'][0].data.shape), []).append(n)
        for places in sizes.values():
            for start in range(0, len(places), self.batch):
                part = places[start : start + self.batch]
                people = self._run([prepared[n] for n in part])
                for n, one in zip(part, people, strict=True):
                    found[n] = one
        return found

    def _run(self, samples: Sequence[dict]) -> list[People]:
        """Run the network on pictures of one size."""
        data = to_device(collate(list(samples), samples_per_gpu=len(samples)), self.device)
        with self._turn, torch.inference_mode():
            results = self.network(return_loss=False, rescale=True, **data)
        return [
            People(
                np.ascontiguousarray(result['bboxes'][:, :4], np.float32),
                np.ascontiguousarray(result['bboxes'][:, 4], np.float32),
                join_features(result['feats']),
            )
            for result in results
        ]

    @cached_property
    def dim(self) -> int:
        """Size of an embedding."""
        side = 64
        box = torch.tensor([[8.0, 8.0, 40.0, 56.0]], device=self.device)
        meta = dict(
            img_shape=(side, side, 3),
            pad_shape=(side, side, 3),
            scale_factor=np.ones(4, np.float32),
        )
        with torch.inference_mode():
            img = torch.zeros(1, 3, side, side, device=self.device)
            result = self.network.simple_test(img, [meta], gt_bboxes=[box])[0]
        return join_features(result['feats']).shape[1]

    @cached_property
    def model(self) -> str:
        """Fingerprint of the weights."""
        digest = hashlib.blake2b(digest_size=8)
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(f'{name} {tuple(tensor.shape)} {tensor.dtype}\n'.encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
        return digest.hexdigest()


def join_features(feats: dict[str, np.ndarray]) -> np.ndarray:
    """Join a model's features by name: each of length 1, side by side, the whole of length 1.

    Args:
        feats: (n, D_i) arrays.

    Returns:
        (n, D) float32.
    """
    parts = [_unit(part) for part in feats.values()]
    return _unit(np.concatenate(parts, axis=1)).astype(np.float32)


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=rows, where=norms > 0)


def _device(name: str) -> torch.device:
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f'device {name}: give auto, cpu, cuda or cuda:N') from None
    if device.type not in ('cpu', 'cuda'):
        raise ValueError(f'device {name}: give auto, cpu, cuda or cuda:N')
    count = torch.cuda.device_count()
    if device.type == 'cuda' and (device.index or 0) >= count:
        raise ValueError(f'device {name}: this machine has {count} CUDA devices; give cpu or auto')
    return device
