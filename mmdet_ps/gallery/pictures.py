"""Pictures as people see them: every format that OpenCV reads, turned upright."""

import os

import cv2
import numpy as np

from ..utils.pictures import PictureError, is_truncated


def read_upright(path: str | os.PathLike) -> np.ndarray:
    """Read a picture and turn it as its EXIF orientation says.

    Args:
        path: File of any format that OpenCV reads; of several pages or frames, the first.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        PictureError: Missing, a folder, unreadable, empty, cut off or no picture.
    """
    try:
        with open(path, 'rb') as stream:
            data = stream.read()
    except OSError as error:
        raise PictureError(f'{path}: {error.strerror}') from None
    if not data:
        raise PictureError(f'{path}: the picture is empty (0 bytes)')
    if is_truncated(data):
        raise PictureError(f'{path}: the picture is cut off')
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        # A header that claims more pixels than OpenCV allows, say.
        raise PictureError(f'{path}: {" ".join(str(error).split())}') from None
    if picture is None:
        raise PictureError(f'{path}: not a picture that OpenCV reads')
    return picture


def as_picture(picture: str | os.PathLike | np.ndarray) -> np.ndarray:
    """Give the pixels of what a user hands over: a path, or an array as OpenCV has it.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        PictureError: See `read_upright`.
        ValueError: An array of another shape or type.
    """
    if not isinstance(picture, np.ndarray):
        return read_upright(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(
            f'a picture is an array (height, width, 3) of uint8, blue green red; not '
            f'{picture.shape} of {picture.dtype}'
        )
    return picture
