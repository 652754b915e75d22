"""JSON Lines for consumers."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any

import polars as pl
import pyarrow as pa

from curation_tasks.errors import ConfigError
from curation_tasks.export.catalog import JsonlExportParameters

_GZIP_LEVEL = 6


def write_jsonl(batches: Iterator[pa.RecordBatch], destination: IO[bytes], parameters: JsonlExportParameters) -> None:
    """Writes the chosen columns as one object a line, nulls included, ended by ``\\n``.

    What is not a control character, quotation mark or backslash stands as UTF-8, U+2028 too: split the file at ``\\n`` and at
    nothing else. Dates and times are ISO 8601; NaN and infinities, which JSON does not have, are null. Equal input gives
    equal bytes: gzip headers hold no name and no time.

    Args:
        batches: Of one schema; one of them is held at a time.
        destination: Open for writing, left open. It need not be seekable.
        parameters: Columns and compression.

    Raises:
        ConfigError: A column holds bytes, which JSON cannot.
    """
    with ExitStack() as stack:
        output = _compressed(destination, parameters.compression, stack)
        for batch in batches:
            if len(batch) == 0:
                continue
            batch = batch.select(parameters.chosen(batch.schema.names))
            _check_types(batch.schema)
            lines = io.BytesIO()
            pl.DataFrame(batch).write_ndjson(lines)
            output.write(lines.getbuffer())


def _compressed(destination: IO[bytes], compression: str, stack: ExitStack) -> Any:
    if compression == "gzip":
        return stack.enter_context(gzip.GzipFile("", "wb", compresslevel=_GZIP_LEVEL, fileobj=destination, mtime=0))
    if compression == "zstd":
        return stack.enter_context(pa.CompressedOutputStream(pa.PythonFile(_LeftOpen(destination), mode="w"), "zstd"))
    return destination


class _LeftOpen:
    """Keeps Arrow's streams from closing a file that is not theirs."""

    closed = False

    def __init__(self, file: IO[bytes]):
        self._file = file

    def write(self, data: Any) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _check_types(schema: pa.Schema) -> None:
    binary = [field.name for field in schema if "binary" in str(field.type)]
    if binary:
        raise ConfigError(
            f"JSON cannot hold the bytes of column {binary[0]!r}",
            expected="columns of text, numbers, truth values, times, lists and structs",
            remedy=f"set `exclude: [{', '.join(binary)}]` on the export, or export parquet",
        )
