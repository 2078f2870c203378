"""Columns of the tables of a gallery.

PyArrow, which comes with LanceDB, is imported when it is needed.
"""

from typing import Any

import numpy as np

VECTOR = 'feat'
# What a search gives.
COLUMNS = ['id', 'source', 'frame', 'position', 'time', 'camera', 'box', 'score']


def people_schema(dim: int, metadata: dict[str, str]) -> Any:
    """Columns of the people table."""
    import pyarrow as pa

    key = {'lance-schema:unenforced-primary-key': 'true'}
    return pa.schema(
        [
            pa.field('id', pa.string(), nullable=False, metadata=key),
            pa.field('source', pa.string(), nullable=False),
            pa.field('frame', pa.int64(), nullable=False),
            pa.field('position', pa.float64()),
            pa.field('time', pa.float64()),
            pa.field('camera', pa.string()),
            pa.field('box', pa.list_(pa.float32(), 4), nullable=False),
            pa.field('score', pa.float32(), nullable=False),
            pa.field('stamp', pa.string(), nullable=False),
            pa.field(VECTOR, pa.list_(pa.float16(), dim), nullable=False),
        ],
        metadata=metadata,
    )


def sources_schema() -> Any:
    """Columns of the sources table."""
    import pyarrow as pa

    key = {'lance-schema:unenforced-primary-key': 'true'}
    return pa.schema(
        [
            pa.field('source', pa.string(), nullable=False, metadata=key),
            pa.field('kind', pa.string(), nullable=False),
            pa.field('stamp', pa.string(), nullable=False),
            pa.field('whole', pa.bool_(), nullable=False),
            pa.field('last_frame', pa.int64(), nullable=False),
            pa.field('pictures', pa.int64(), nullable=False),
            pa.field('people', pa.int64(), nullable=False),
            pa.field('camera', pa.string()),
            pa.field('start', pa.float64()),
            pa.field('fault', pa.string(), nullable=False),
            pa.field('added', pa.float64(), nullable=False),
        ]
    )


def people_table(columns: dict[str, list], feats: np.ndarray, schema: Any) -> Any:
    """Arrow table of people.

    Args:
        columns: All but box and embedding, and ``box`` as (n, 4) arrays in a list.
        feats: (n, D).
        schema: Of `people_schema`.
    """
    import pyarrow as pa

    boxes = np.asarray(columns['box'], np.float32).reshape(-1)
    arrays = {
        **{name: columns[name] for name in columns if name != 'box'},
        'box': pa.FixedSizeListArray.from_arrays(pa.array(boxes), 4),
        VECTOR: pa.FixedSizeListArray.from_arrays(
            pa.array(np.ascontiguousarray(feats, np.float16).reshape(-1)), feats.shape[1]
        ),
    }
    return pa.table({field.name: arrays[field.name] for field in schema}, schema=schema)
