"""What mmcv's loggers say, and when they had better not."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_info() -> Iterator[None]:
    """Keep messages below warnings back; mmcv's initialisation logs a paragraph a parameter."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)
