"""Files that are either whole or absent."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_write(path: str | os.PathLike, mode: str = 'wb') -> Iterator[IO[Any]]:
    """Open a temporary file that takes the name ``path`` when the block ends without an error.

    The temporary file lies in the same folder, which is made where it is missing. On an error (a
    full disk, say) the temporary file is removed and whatever stood under ``path`` before stays as
    it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f'.{path.name}.', dir=path.parent)
    try:
        with os.fdopen(handle, mode) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_writable(*paths: str | os.PathLike | None) -> None:
    """Find out before a long computation that its results could not be saved.

    Args:
        *paths: Files to be written later; None where one is not asked for. Missing folders are
            made.

    Raises:
        OSError: A path is a folder, or no file can be made beside it.
    """
    for path in (Path(path) for path in paths if path is not None):
        if path.is_dir():
            raise IsADirectoryError(f'{path}: is a folder, give the name of a file')
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            raise OSError(f'{path} cannot be written: {error.strerror}') from None
