"""The table of people and the table of sources, in LanceDB.

Two tables lie in the folder: ``people``, one row a person, and ``sources``, one row a source, which
is written after its people and says that they are all there. What was found out about LanceDB 0.40
and is relied on:

- ``merge_insert`` of the same new ids by two processes gives both their rows, unless the schema
  names the id as its (unenforced) primary key; then the later one is repeated on what is there.
- Nothing is synced to the disk; see `durable`.
- It does not survive a fork.
"""

import math
import os
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial, wraps
from typing import Any

import numpy as np

from .durable import Syncer, set_broken_versions_aside
from .schema import COLUMNS, VECTOR, people_schema, sources_schema

FORMAT = '1'
# Up to so many people, or behind a filter that leaves so few, all are compared.
EXACT_ROWS = 200_000
EXACT_FILTERED = 10_000
# People in a partition of the index; LanceDB's own default for IVF.
PARTITION = 8192
# Partitions that are searched: all up to a million people, an eighth of more.
_ALL_PARTITIONS, _SHARE = 128, 8
_REFINE = 2
# Rows from which the filtered columns are indexed, and what starts the index's upkeep.
SCALAR_ROWS = 20_000
UNINDEXED_SHARE = 0.1
SMALL_FILES = 64
KEEP_VERSIONS = timedelta(hours=1)
# What other processes have written is seen after this long.
CONSISTENCY = timedelta(seconds=1)
# Columns of people with a sorted index.
_SORTED = ('source', 'time', 'score', 'id')
# What float16 can change of a cosine.
_ROUNDING = 2e-3


def lancedb() -> Any:
    """Import LanceDB when it is needed.

    Raises:
        ValueError: It is not installed.
    """
    try:
        import lancedb as module
    except ImportError:
        raise ValueError(
            "galleries need LanceDB: pip install 'mmdet_ps[gallery]', or pip install lancedb"
        ) from None
    return module


def cosines(column: Any, feat: np.ndarray) -> np.ndarray:
    """Cosines of a column of embeddings with one of any length, (n,) float64."""
    if not len(column):
        return np.empty(0)
    vectors = column.combine_chunks()
    rows = vectors.flatten().to_numpy().reshape(len(vectors), -1).astype(np.float64)
    wanted = feat.astype(np.float64) / np.linalg.norm(feat.astype(np.float64))
    norms = np.linalg.norm(rows, axis=1)
    return np.divide(rows @ wanted, norms, out=np.zeros(len(rows)), where=norms > 0)


def told(method: Callable) -> Callable:
    """Turn LanceDB's errors about disk and files into an `OSError` of one line."""

    @wraps(method)
    def call(self: 'Index', *args: Any, **kwargs: Any) -> Any:
        if os.getpid() != self.process:
            raise RuntimeError(
                f'{self.folder}: opened before a fork, which LanceDB does not survive; open the '
                'gallery in the new process, or spawn it'
            )
        try:
            return method(self, *args, **kwargs)
        except RuntimeError as error:
            if 'lance error' not in str(error):
                raise
            raise _as_oserror(self.folder, error) from error

    return call


def _as_oserror(folder: str, error: Exception) -> OSError:
    text = ' '.join(str(error).split())
    number = re.search(r'os error (\d+)', text)
    if number:
        return OSError(
            int(number[1]), f'{os.strerror(int(number[1]))}; what was added before is kept', folder
        )
    return OSError(f'{folder}: the gallery cannot be used ({text[:300]})')


class Index:
    """Open the tables of a gallery, or make them.

    Args:
        folder: Path, or an address of object storage such as ``s3://bucket/people``.
        dim: Size of an embedding; None takes that of the tables.
        model: Fingerprint of the weights that make them; None takes what is there.
        create: Whether a gallery that is not there is made.
        say: Takes a line about something out of the ordinary.

    Raises:
        FileNotFoundError: There is no gallery, and none is to be made.
        ValueError: It belongs to another model, or LanceDB is missing.
        OSError: The folder cannot be used.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        dim: int | None,
        model: str | None,
        create: bool,
        say: Callable[[str], None],
    ) -> None:
        self.folder, self.process = os.fspath(folder), os.getpid()
        self.local = '://' not in self.folder
        self._lance = lancedb()
        if self.local and os.path.exists(self.folder) and not os.path.isdir(self.folder):
            raise ValueError(f'{self.folder}: is a file; a gallery is a folder')
        if self.local:
            for name in ('people', 'sources'):
                set_broken_versions_aside(os.path.join(self.folder, f'{name}.lance'), say)
        self._open(dim, model, create)
        self.schema = self.people.schema
        self.dim = self.schema.field(VECTOR).type.list_size
        self._check_model(dim, model)
        self._syncer = Syncer(self.folder) if self.local else None
        self.sync()

    @told
    def _open(self, dim: int | None, model: str | None, create: bool) -> None:
        if self.local and not create and not os.path.isdir(self.folder):
            # To connect would make the folder.
            raise self._missing()
        self._db = self._lance.connect(self.folder, read_consistency_interval=CONSISTENCY)
        kept = {'format': FORMAT, 'dim': str(dim), 'model': str(model)}
        self.people = self._table('people', lambda: people_schema(dim or 0, kept), create)
        self.sources = self._table('sources', sources_schema, create)

    def _table(self, name: str, schema: Callable[[], Any], create: bool) -> Any:
        try:
            return self._db.open_table(name)
        except ValueError as error:
            if 'not found' not in str(error):
                raise OSError(f'{self.folder}: {" ".join(str(error).split())}') from error
            if not create:
                raise self._missing() from None
        # Of two processes that make it at once, the later one opens it.
        return self._db.create_table(name, schema=schema(), exist_ok=True)

    def _missing(self) -> FileNotFoundError:
        return FileNotFoundError(f'{self.folder}: no gallery; tools/index.py makes one')

    def _check_model(self, dim: int | None, model: str | None) -> None:
        kept = {k.decode(): v.decode() for k, v in (self.schema.metadata or {}).items()}
        if kept.get('format') != FORMAT:
            raise ValueError(
                f'{self.folder}: a gallery of form {kept.get("format")}, not {FORMAT}; index its '
                'sources again into another folder'
            )
        self.model = kept['model']
        if model is not None and (model, dim) != (self.model, self.dim):
            raise ValueError(
                f'{self.folder}: a gallery of another model (its weights are {self.model} with '
                f'{self.dim} numbers a person, these are {model} with {dim}); give its config and '
                'checkpoint, or another folder'
            )

    def sync(self) -> None:
        """Bring what was written to the disk."""
        if self._syncer:
            self._syncer.sync()

    @told
    def put_people(self, people: Any, replaced: str | None, fitting: int | None = None) -> None:
        """Put people into the table in one commit, and onto the disk.

        Args:
            people: Arrow table of `people_schema`; those with an id that is there replace it.
            replaced: SQL; of the people whom it fits, those with other ids are removed.
            fitting: How many of the new people it fits; by default all.
        """
        fitting = people.num_rows if fitting is None else fitting
        others = 0 if replaced is None else self.count(replaced)
        if people.num_rows or others:
            self._merge(people, replaced if others else None)
        # Another process may have put people of these sources in between.
        if replaced is not None and self.count(replaced) != fitting:
            self._merge(people, replaced)
        self.sync()

    def _merge(self, people: Any, replaced: str | None) -> None:
        """Merge in one commit; to remove reads all ids, so it is done only where it has to be."""
        merge = self.people.merge_insert('id')
        merge = merge.when_matched_update_all().when_not_matched_insert_all()
        if replaced is not None:
            merge = merge.when_not_matched_by_source_delete(replaced)
        merge.execute(people)

    @told
    def put_sources(self, sources: Any) -> None:
        """Put sources, whose people are there, into the table and onto the disk.

        Args:
            sources: Arrow table of `sources_schema`.
        """
        merge = self.sources.merge_insert('source')
        merge.when_matched_update_all().when_not_matched_insert_all().execute(sources)
        self.sync()

    @told
    def remove(self, condition: str) -> int:
        """Remove the sources that SQL fits, with their people; gives how many sources."""
        sources, people = self.sources.count_rows(condition), self.count(condition)
        # Sources first: what is killed between leaves no source that would be passed.
        self.sources.delete(condition)
        self.people.delete(condition)
        self.sync()
        return max(sources, people > 0)

    @told
    def source_rows(self, condition: str | None = None) -> list[dict]:
        """Rows of the sources table, newest state."""
        self.sources.checkout_latest()
        query = self.sources.search()
        if condition:
            query = query.where(condition)
        return query.to_list()

    @told
    def count(self, condition: str | None = None) -> int:
        """How many people SQL fits, newest state."""
        self.people.checkout_latest()
        return self.people.count_rows(condition)

    @told
    def search(
        self, feat: np.ndarray, top: int, condition: str | None, min_similarity: float | None
    ) -> list[dict]:
        """Find the most similar people.

        Args:
            feat: (D,).
            top: At most so many.
            condition: SQL that they must fit.
            min_similarity: They are at least this similar.

        Returns:
            Rows without the embedding, with ``similarity``, best first.
        """
        # LanceDB rounds the query to the embeddings' float16: what is near the last place is asked
        # for too, and the order is that of the unrounded query.
        query = self.people.search(feat.astype(np.float32), vector_column_name=VECTOR)
        query = query.distance_type('cosine').select([*COLUMNS, VECTOR, '_distance'])
        query = query.limit(top + max(top // 10, 10))
        if condition is not None:
            query = query.where(condition, prefilter=True)
        if min_similarity is not None:
            query = query.distance_range(upper_bound=1 - min_similarity + _ROUNDING)
        rows = self.people.count_rows()
        if self._compares_all(rows, condition):
            query = query.bypass_vector_index()
        else:
            query = query.nprobes(probes(rows)).refine_factor(_REFINE)
        found = query.to_arrow()
        similarities = cosines(found.column(VECTOR), feat)
        rows = found.select(COLUMNS).to_pylist()
        for row, similarity in zip(rows, similarities.tolist(), strict=True):
            row['similarity'] = similarity
        rows.sort(key=lambda row: (-row['similarity'], row['id']))
        least = -np.inf if min_similarity is None else min_similarity
        return [row for row in rows if row['similarity'] >= least][:top]

    def _compares_all(self, rows: int, condition: str | None) -> bool:
        if rows <= EXACT_ROWS or f'{VECTOR}_idx' not in _indices(self.people):
            return True
        return condition is not None and self.people.count_rows(condition) <= EXACT_FILTERED

    @told
    def maintain(self, force: bool = False) -> list[str]:
        """Build and mend indices where it pays; see `Gallery.maintain`.

        Returns:
            What was done.
        """
        from lancedb.index import Bitmap, BTree, IvfSq

        done: list[str] = []
        rows, sources = self.count(), self.sources.count_rows()
        missing: list[tuple[Any, str, Any]] = [
            (self.people, VECTOR, IvfSq(distance_type='cosine', target_partition_size=PARTITION))
            for _ in range(rows > EXACT_ROWS)
        ]
        if rows >= SCALAR_ROWS or (force and rows):
            missing += [(self.people, column, BTree()) for column in _SORTED]
            missing += [(self.people, 'camera', Bitmap())]
        if sources >= SCALAR_ROWS:
            missing += [(self.sources, 'source', BTree())]
        for table, column, config in missing:
            if f'{column}_idx' not in _indices(table):
                if _unless_other(partial(table.create_index, column, config=config)):
                    done.append(f'index of {table.name}.{column}')
        for table in (self.people, self.sources):
            behind = max((i.num_unindexed_rows for i in _indices(table).values()), default=0)
            small = table.stats()['fragment_stats']['num_small_fragments']
            late = behind > UNINDEXED_SHARE * table.count_rows()
            if force or late or small >= SMALL_FILES:
                if _unless_other(partial(table.optimize, cleanup_older_than=KEEP_VERSIONS)):
                    done.append(f'{table.name} optimized')
        self.sync()
        return done


def _indices(table: Any) -> dict[str, Any]:
    return {index.name: index for index in table.list_indices()}


def _unless_other(upkeep: Callable[[], None]) -> bool:
    """Do some upkeep; False where another process did the same or changed the table meanwhile."""
    try:
        upkeep()
    except RuntimeError as error:
        if 'conflict' not in str(error).lower():
            raise
        return False
    return True


def probes(rows: int) -> int:
    """Partitions of the index that are searched."""
    partitions = math.ceil(rows / PARTITION)
    return min(partitions, max(_ALL_PARTITIONS, partitions // _SHARE))
