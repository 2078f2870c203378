"""What LanceDB leaves to the operating system: files that survive a power cut."""

import os
import time
from collections.abc import Callable, Iterator

# The last bytes of each file that Lance has written whole.
_MAGIC = b'LANC'
# The kernel has written back what is older.
_WRITTEN_BACK = 120.0
# A manifest that another process is writing at this moment is whole after so long.
_PATIENCE = 1.0


class Syncer:
    """Sync what is new in a folder, by whatever process it was written.

    A version that builds on another process's version needs that one's files as well.

    Args:
        folder: Of the gallery.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._synced: set[str] = set()
        old = time.time() - _WRITTEN_BACK
        for path in _files(folder):
            try:
                if os.stat(path).st_mtime < old:
                    self._synced.add(path)
            except FileNotFoundError:
                continue

    def sync(self) -> None:
        """Sync new files, then the folders that they are in.

        Raises:
            OSError: The disk has not taken what was written.
        """
        present, folders = set(), set()
        for path in _files(self.folder):
            present.add(path)
            if path not in self._synced and _fsync(path):
                folder = os.path.dirname(path)
                while len(folder) >= len(self.folder):
                    folders.add(folder)
                    folder = os.path.dirname(folder)
        for folder in sorted(folders, key=len, reverse=True):
            _fsync(folder)
        self._synced = present


def _files(folder: str) -> Iterator[str]:
    """Paths of the files below a folder."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except FileNotFoundError:
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        else:
            yield entry.path


def _fsync(path: str) -> bool:
    """Sync a file or folder; False where it is gone."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return True


def set_broken_versions_aside(table: str, say: Callable[[str], None]) -> None:
    """Go back to the newest version of a table that is whole.

    LanceDB writes without syncing, so that a power cut can leave the newest manifests, or files of
    rows that they name, empty or cut off, and refuses such a table. These manifests are moved to
    ``broken`` beside the table's other folders.

    Args:
        table: Its folder; it may be missing.
        say: Takes a line that says what was done.
    """
    versions = os.path.join(table, '_versions')
    while (newest := _newest(versions)) and _fault(table, newest):
        time.sleep(_PATIENCE)
        fault = _fault(table, newest)
        if not fault or _newest(versions) != newest:
            continue
        aside = os.path.join(table, 'broken')
        os.makedirs(aside, exist_ok=True)
        os.replace(newest, os.path.join(aside, os.path.basename(newest)))
        say(
            f'{newest}: {fault} (a power cut?); the gallery goes on from the version before, add '
            'the sources again'
        )


def _fault(table: str, manifest: str) -> str:
    """What is wrong with a version, empty where nothing is: its manifest or a file of its rows."""
    if not _whole(manifest):
        return 'the newest version is not whole'
    data = os.path.join(table, 'data')
    try:
        broken = [name for name in os.listdir(data) if not _whole(os.path.join(data, name))]
        if broken:
            with open(manifest, 'rb') as stream:
                content = stream.read()
            # A run that was killed leaves others that belong to no version.
            broken = [name for name in broken if name.encode() in content]
    except FileNotFoundError:
        return ''
    return f'the newest version has rows that are not whole ({broken[0]})' if broken else ''


def _newest(versions: str) -> str | None:
    """The manifest of the highest version; names count down from 2^64 - 1."""
    try:
        names = [name for name in os.listdir(versions) if name.endswith('.manifest')]
    except FileNotFoundError:
        return None
    numbers = {name: name.split('.')[0] for name in names}
    counted = [(-int(number), name) for name, number in numbers.items() if number.isdigit()]
    return os.path.join(versions, max(counted)[1]) if counted else None


def _whole(path: str) -> bool:
    try:
        with open(path, 'rb') as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(stream.tell() - len(_MAGIC), 0))
            return stream.read() == _MAGIC
    except FileNotFoundError:
        return False
