"""A shard: one Parquet file of documents, with row groups small enough to bound memory and a hash of its values.

The canonical hash covers Arrow values (types, validity, lengths, bytes), not file bytes: Parquet writers differ between
versions and engines, and the number of row groups depends on batching. Nothing of that may change a digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from curation_tasks.errors import InputError
from curation_tasks.schema import arrow_type, column_type
from curation_tasks.storage.filesystem import open_input, open_output, storage_errors

#: Text per row group. A reader holds one row group at a time, so this bounds the memory of every operation.
ROW_GROUP_TEXT_BYTES = 16 * 2**20
#: Text per shard at which a source begins the next part.
SHARD_TEXT_BYTES = 192 * 2**20
ROW_GROUP_ROWS = 65_536
_COMPRESSION_LEVEL = 3


@dataclass(frozen=True)
class Shard:
    """One file of a dataset. ``path`` is relative to the folder of the manifest that lists it.

    Attributes:
        rows: Number of documents.
        bytes: File size.
        text_bytes: UTF-8 bytes of the column ``text``, nulls counted as 0.
        hash: Canonical hash of the values (xxh3-128, hex).
        sha256: Of the file.
    """

    path: str
    rows: int
    bytes: int
    text_bytes: int
    hash: str
    sha256: str


class CanonicalHash:
    """A hash of a stream of record batches that does not depend on how the rows are cut into batches.

    Each column feeds streams of its own: one of validity, one of lengths (for strings and lists) and one of values, with
    nulls as empty or zero; the digest joins them with names and types. Large and small strings are the same type.
    """

    def __init__(self) -> None:
        self._streams: dict[str, xxhash.xxh3_128] = {}
        self._types: dict[str, str] = {}
        self._rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        self._rows += len(batch)
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            self._types.setdefault(name, column_type(column.type))
            self._add(name, column)

    def hexdigest(self) -> str:
        total = xxhash.xxh3_128()
        total.update(f"rows={self._rows}".encode())
        for name in sorted(self._types):
            total.update(f"|{name}:{self._types[name]}".encode())
        for name in sorted(self._streams):
            total.update(f"|{name}=".encode() + self._streams[name].digest())
        return total.hexdigest()

    def _feed(self, stream: str, data: Any) -> None:
        self._streams.setdefault(stream, xxhash.xxh3_128()).update(data)

    def _add(self, name: str, array: pa.Array) -> None:
        kind = array.type
        if pa.types.is_dictionary(kind):
            return self._add(name, array.cast(kind.value_type))
        if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
            return self._add(name, array.cast(pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()))
        self._feed(f"{name}/valid", np.ascontiguousarray(array.is_valid().to_numpy(zero_copy_only=False)).view(np.uint8))
        if pa.types.is_null(kind):
            return None
        if pa.types.is_struct(kind):
            for field, child in zip(kind, array.flatten(), strict=True):
                self._add(f"{name}.{field.name}", child)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self._feed(f"{name}/length", pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64()).to_numpy())
            self._add(f"{name}[]", array.flatten())
        elif pa.types.is_fixed_size_binary(kind):
            self._add(name, array.cast(pa.large_binary()))
        elif is_stringlike(kind):
            if array.null_count:
                array = pc.fill_null(array, b"" if "binary" in str(kind) else "")
            offsets, data = string_buffers(array)
            self._feed(f"{name}/length", np.diff(offsets).astype(np.int64))
            self._feed(f"{name}/value", data[offsets[0] : offsets[-1]])
        else:
            self._feed(f"{name}/value", _fixed_width(array))
        return None


def is_stringlike(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary))


def string_buffers(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The offsets and bytes of a string or binary array, without copying.

    Returns:
        ``(offsets, data)``: int32 or int64 of shape (rows + 1,), and uint8; row i is ``data[offsets[i]:offsets[i + 1]]``.
    """
    width = np.int64 if pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type) else np.int32
    _, offset_buffer, data_buffer = array.buffers()
    if offset_buffer is None or len(array) == 0:
        return np.zeros(len(array) + 1, width), np.zeros(0, np.uint8)
    offsets = np.frombuffer(offset_buffer, width)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None and data_buffer.size else np.zeros(0, np.uint8)
    return offsets, data


def text_bytes_of(array: pa.Array) -> int:
    """UTF-8 bytes of a string array; null rows count as 0."""
    return pc.sum(pc.binary_length(array)).as_py() or 0


def _fixed_width(array: pa.Array) -> np.ndarray:
    if pa.types.is_boolean(array.type):
        return pc.fill_null(array, False).to_numpy(zero_copy_only=False).view(np.uint8)
    if pa.types.is_temporal(array.type):
        array = array.view(pa.int64() if array.type.bit_width == 64 else pa.int32())
    values = pc.fill_null(array, 0).to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), values.dtype.type(np.nan), values)
    return np.ascontiguousarray(values).view(np.uint8)


class _HashingFile:
    """Passes writes on and hashes them, so that a file's sha256 costs no second read."""

    def __init__(self, file: IO[bytes]):
        self._file, self.sha256, self.bytes, self.closed = file, hashlib.sha256(), 0, False

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        size = memoryview(data).nbytes
        self.bytes += size
        self._file.write(data)
        return size

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.closed = True


class FileWriter:
    """Writes one file atomically and keeps its size and sha256: the base of shards and exports."""

    def __init__(self, uri: str):
        self.uri = uri
        self._output = open_output(uri)

    def __enter__(self) -> Self:
        self.file = _HashingFile(self._output.__enter__())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._output.__exit__(kind, error, trace)


class ShardWriter:
    """Writes one shard. Use as a context manager; ``shard`` tells what was written once the block has ended.

    Args:
        folder: Folder of the manifest.
        path: Name of the file in it.
        schema: Column names and types (the names of ``curation_tasks.schema``), in the order of the file.
    """

    def __init__(self, folder: str, path: str, schema: Mapping[str, str]):
        self._path = path
        self._schema = arrow_schema(schema)
        self._hash = CanonicalHash()
        self._pending: list[pa.RecordBatch] = []
        self._pending_text = self._pending_rows = 0
        self.rows = self.text_bytes = 0
        self._writer = FileWriter(f"{folder}/{path}")
        self.shard: Shard | None = None

    def __enter__(self) -> Self:
        self._writer.__enter__()
        self._parquet = pq.ParquetWriter(
            pa.PythonFile(self._writer.file, mode="w"), self._schema, compression="zstd", compression_level=_COMPRESSION_LEVEL
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._flush()
                self._parquet.close()
        except BaseException as failure:
            abandon(self._parquet)
            self._writer.__exit__(type(failure), failure, failure.__traceback__)
            raise
        if kind is not None:
            abandon(self._parquet)
        self._writer.__exit__(kind, error, trace)
        if kind is None:
            file = self._writer.file
            self.shard = Shard(self._path, self.rows, file.bytes, self.text_bytes, self._hash.hexdigest(), file.sha256.hexdigest())

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends rows. Batches larger than a row group are cut; smaller ones are gathered."""
        batch = conform(batch, self._schema)
        for piece in _cut(batch):
            size = text_bytes_of(piece.column("text")) if "text" in piece.schema.names else piece.nbytes
            if self._pending and (self._pending_text + size > ROW_GROUP_TEXT_BYTES or self._pending_rows + len(piece) > ROW_GROUP_ROWS):
                self._flush()
            self._pending.append(piece)
            self._pending_text += size
            self._pending_rows += len(piece)
            self._hash.update(piece)
            self.rows += len(piece)
            if "text" in piece.schema.names:
                self.text_bytes += size

    def _flush(self) -> None:
        if self._pending:
            table = pa.Table.from_batches(self._pending, self._schema)
            self._parquet.write_table(table, row_group_size=max(1, len(table)))
        self._pending, self._pending_text, self._pending_rows = [], 0, 0


def abandon(parquet: pq.ParquetWriter) -> None:
    """Keeps a writer that is given up from writing a footer when it is garbage collected: its file is closed by then."""
    parquet.is_open = False


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    return pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with exactly the columns of a schema, cast where only the representation differs.

    Raises:
        InputError: A column is missing or cannot be cast.
    """
    arrays = []
    for field in schema:
        if field.name not in batch.schema.names:
            raise InputError(f"column {field.name!r} is missing", expected=", ".join(schema.names))
        array = batch.column(field.name)
        try:
            arrays.append(array if array.type == field.type else array.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(f"column {field.name!r} holds {array.type}", expected=str(field.type), remedy=str(error)) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Pieces of at most a row group's text; a longer document is a piece of its own."""
    if "text" not in batch.schema.names or len(batch) == 0:
        yield batch
        return
    lengths = pc.fill_null(pc.binary_length(batch.column("text")), 0).to_numpy()
    if lengths.sum() <= ROW_GROUP_TEXT_BYTES and len(batch) <= ROW_GROUP_ROWS:
        yield batch
        return
    start = size = 0
    for row, length in enumerate(lengths):
        if row > start and (size + length > ROW_GROUP_TEXT_BYTES or row - start >= ROW_GROUP_ROWS):
            yield batch.slice(start, row - start)
            start, size = row, 0
        size += length
    yield batch.slice(start)


def read_shard(uri: str, columns: Iterable[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The row groups of a shard, one batch each. A shard without rows gives one empty batch, which carries the schema.

    Raises:
        InputError: The file is missing, cut short or not Parquet.
    """
    with storage_errors(uri), open_input(uri) as file:
        try:
            parquet = pq.ParquetFile(file)
            names = list(columns) if columns is not None else None
            if parquet.num_row_groups == 0:
                empty = parquet.schema_arrow.empty_table()
                yield pa.RecordBatch.from_pylist([], schema=empty.select(names).schema if names is not None else empty.schema)
            for group in range(parquet.num_row_groups):
                yield one_batch(parquet.read_row_group(group, columns=names))
        except pa.ArrowInvalid as error:
            raise InputError(
                f"not a whole Parquet file: {error}",
                where=uri,
                remedy="get or make the file again; `curate verify` tells what else is damaged",
            ) from error
        except OSError as error:
            # Arrow reports damaged pages as an OSError without a number; what the store raises has a number or a type.
            if type(error) is not OSError or error.errno is not None:
                raise
            raise InputError(f"a damaged Parquet file: {error}", where=uri, remedy="write or fetch it again") from error


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """A table as one record batch. Only for tables bounded by a row group: it may copy."""
    batches = table.combine_chunks().to_batches()
    if not batches:
        return pa.RecordBatch.from_pylist([], schema=table.schema)
    if len(batches) > 1:
        raise InputError(f"{table.nbytes:,} bytes of text do not fit one batch", expected="row groups below 2 GiB")
    return batches[0]
