"""Parquet files for consumers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from curation_tasks.export.catalog import ParquetExportParameters
from curation_tasks.storage.shard import text_bytes_of


def write_parquet(batches: Iterator[pa.RecordBatch], destination: IO[bytes], parameters: ParquetExportParameters) -> None:
    """Writes the chosen columns as one Parquet file.

    Args:
        batches: Of one schema; text of at most a row group is held beside the one that is written.
        destination: Open for writing, left open. It need not be seekable.
        parameters: Columns, compression and size of row groups.
    """
    writer: pq.ParquetWriter | None = None
    pending: list[pa.RecordBatch] = []
    pending_bytes = 0
    for batch in batches:
        batch = batch.select(parameters.chosen(batch.schema.names))
        writer = writer or pq.ParquetWriter(pa.PythonFile(destination, mode="w"), batch.schema, compression=parameters.compression)
        size = text_bytes_of(batch.column("text")) if "text" in batch.schema.names else batch.nbytes
        if pending and pending_bytes + size > parameters.row_group_bytes:
            _write_row_group(writer, pending)
            pending, pending_bytes = [], 0
        pending.append(batch)
        pending_bytes += size
    writer = writer or pq.ParquetWriter(pa.PythonFile(destination, mode="w"), pa.schema([]))
    if pending:
        _write_row_group(writer, pending)
    writer.close()


def _write_row_group(writer: pq.ParquetWriter, batches: list[pa.RecordBatch]) -> None:
    table = pa.Table.from_batches(batches)
    writer.write_table(table, row_group_size=max(1, len(table)))
