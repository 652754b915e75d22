"""Shuffles through storage: a Parquet file whose row groups each belong to one partition.

A mapper writes one such file with rows of all partitions; a reducer reads its own row groups from the files of all
mappers, as byte ranges. So there are as many files as mappers, not mappers times partitions, and a reducer that runs
again finds the same input.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.errors import InputError
from curation_tasks.manifest import Dataset
from curation_tasks.storage.filesystem import open_input, open_output, storage_errors
from curation_tasks.storage.shard import abandon

_PARTITIONS = b"curation.partitions"


class PartitionWriter:
    """Writes one file atomically; a partition may get any number of row groups, in any order.

    Args:
        uri: Where.
        schema: Of every row group.
        compress: False where all columns are hashes, which no compression makes smaller.
        hashes: The columns of hashes where others are none: trying to compress them takes more time than all the rest.
    """

    def __init__(self, uri: str, schema: pa.Schema, *, compress: bool = True, hashes: Sequence[str] = ()):
        self._schema = schema
        plain = hashes if compress else schema.names
        self._options = {
            "compression": {name: "none" if name in plain else "zstd" for name in schema.names},
            "use_dictionary": [name for name in schema.names if name not in plain],
        }
        self._partitions: list[int] = []
        self._output = open_output(uri)

    def __enter__(self) -> Self:
        self._parquet = pq.ParquetWriter(self._output.__enter__(), self._schema, **self._options)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._parquet.add_key_value_metadata({_PARTITIONS: json.dumps(self._partitions)})
                self._parquet.close()
        except BaseException as failure:
            abandon(self._parquet)
            self._output.__exit__(type(failure), failure, failure.__traceback__)
            raise
        if kind is not None:
            abandon(self._parquet)
        self._output.__exit__(kind, error, trace)

    def write(self, partition: int, rows: pa.Table) -> None:
        """Adds a row group. Rows must not be so many that a reducer cannot hold a group."""
        if len(rows):
            self._parquet.write_table(rows.cast(self._schema), row_group_size=len(rows))
            self._partitions.append(int(partition))


class PartitionFile:
    """A file of ``PartitionWriter``, open for reading.

    Args:
        parquet: The open file.
    """

    def __init__(self, parquet: pq.ParquetFile):
        self._parquet = parquet
        self._partitions = np.array(json.loads(parquet.metadata.metadata[_PARTITIONS]), np.int64)

    def groups(self, partition: int) -> list[int]:
        """The row groups of a partition, in the order in which they were written."""
        return np.flatnonzero(self._partitions == partition).tolist()

    def read(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        return self._parquet.read_row_groups(groups, columns=columns)


@contextmanager
def open_partitions(uri: str) -> Iterator[PartitionFile]:
    """Opens a file of ``PartitionWriter``.

    Raises:
        InputError: It is missing or not such a file.
    """
    with storage_errors(uri), open_input(uri, exact_ranges=True) as file:
        try:
            parquet = pq.ParquetFile(file)
            opened = PartitionFile(parquet)
        except (pa.ArrowInvalid, KeyError, TypeError) as error:
            raise InputError(f"not a file of partitions: {error}", where=uri, remedy="run the stage again") from error
        yield opened


def split(partition_of: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
    """The rows of each partition that has any, by ascending partition, rows in their order.

    Args:
        partition_of: integer, shape (rows,).

    Yields:
        ``(partition, rows)``: int64, the positions of its rows.
    """
    order = np.argsort(partition_of, kind="stable")
    bounds = np.flatnonzero(np.diff(partition_of[order])) + 1
    for rows in np.split(order, bounds) if len(order) else ():
        yield int(partition_of[rows[0]]), rows


def partition_of(high: np.ndarray, partitions: int) -> np.ndarray:
    """The partition of a hash: its upper 32 bits, scaled to 0 … partitions − 1.

    Args:
        high: uint64, shape (rows,): hashes, or their upper halves.
        partitions: Below 2³².

    Returns:
        Shape (rows,). Ascending with the hash, so that the partitions one after the other are sorted. Where they are few it
        is uint16: NumPy sorts such numbers by their digits, in linear time.
    """
    found = ((high >> np.uint64(32)) * np.uint64(partitions)) >> np.uint64(32)
    return found.astype(np.uint16 if partitions <= 2**16 else np.int64)


def runs(tables: Iterable[pa.Table], run_bytes: int) -> Iterator[pa.Table]:
    """Tables gathered until they hold ``run_bytes``, so that a shard of very many short rows does not fill the memory."""
    pending: list[pa.Table] = []
    size = 0
    for table in tables:
        pending.append(table)
        size += table.nbytes
        if size >= run_bytes:
            yield pa.concat_tables(pending)
            pending, size = [], 0
    if pending:
        yield pa.concat_tables(pending)


def settled(layout: dict[str, Any]) -> dict[str, Any]:
    """The layout itself: as the result of an item it is committed, and every later try is given that of the first.

    A retry may have other memory, but must go on with the partitions that the first try began to write.
    """
    return layout


def mapper_items(dataset: Dataset, most: int = 512) -> list[dict[str, Any]]:
    """Cuts the shards of a dataset into groups of neighbours, of which each is served by one file of a shuffle.

    Args:
        dataset: Whose shards.
        most: Number of groups that are not exceeded; there are no empty ones.

    Returns:
        ``{"mapper": number, "shards": [{"ordinal", "uri"}, …]}``.
    """
    shards = [{"ordinal": ordinal, "uri": dataset.uri(shard)} for ordinal, shard in enumerate(dataset.shards)]
    size = max(1, -(-len(shards) // most))
    return [{"mapper": first // size, "shards": shards[first : first + size]} for first in range(0, len(shards), size)]
