"""Reading of an index's files only what can hold what is looked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.errors import InputError
from curation_tasks.storage.filesystem import open_input, storage_errors


def row_groups_near(uri: str, values: np.ndarray, snapshot: str) -> Iterator[pa.Table]:
    """The row groups of a file in whose range a value lies.

    Args:
        uri: A file of an index, sorted by its first column, which is uint64.
        values: uint64, sorted.
        snapshot: Whose index it is, for the message.

    Raises:
        InputError: The file is missing or damaged.
    """
    try:
        with storage_errors(uri), open_input(uri, exact_ranges=True) as file:
            parquet = pq.ParquetFile(file)
            for group in range(parquet.num_row_groups):
                bounds = parquet.metadata.row_group(group).column(0).statistics
                at = int(np.searchsorted(values, np.uint64(bounds.min)))
                if at < len(values) and values[at] <= bounds.max:
                    yield parquet.read_row_group(group)
    except (InputError, pa.ArrowInvalid) as error:
        raise InputError(
            f"a file of the index of {snapshot} is missing or damaged",
            where=uri,
            expected="all files that its index.json names",
            remedy=f"run the snapshot {snapshot} again: without the file its documents would not be found",
        ) from error
