"""Parquet files as a source, row group by row group."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError, did_you_mean
from curation_tasks.parts import SourceUnit
from curation_tasks.schema import arrow_type, column_type
from curation_tasks.sources.catalog import ColumnMapping, ParquetParameters
from curation_tasks.sources.records import SeenIds, bounded, records_batch
from curation_tasks.storage.filesystem import open_input, scheme_of, storage_errors
from curation_tasks.storage.shard import ROW_GROUP_ROWS, ROW_GROUP_TEXT_BYTES, is_stringlike, one_batch


def read_parquet(unit: SourceUnit, parameters: ParquetParameters, context: RunContext) -> Iterator[pa.RecordBatch]:
    """Reads the mapped columns of a file.

    Adds: ``text``, ``native_id``, ``url`` where mapped, and the kept columns, cast to their types; in a string column, lists,
    structs and maps become JSON text.

    Rejects, with the row's number from 1 as ``reject_value``:
        missing_text: The text is null.
        invalid_utf8: The text is not UTF-8; it is kept with replacement characters.
        repeated_id: An earlier row of this file has the identity.

    Raises:
        InputError: The file is not whole; a mapped column is absent or of a type that cannot be cast.
    """
    remote = scheme_of(unit.uri) not in ("file", "memory")
    seen, row = SeenIds(), 0
    with storage_errors(unit.uri), open_input(unit.uri, exact_ranges=True) as file:
        try:
            parquet = pq.ParquetFile(file, pre_buffer=remote)
            _check_columns(parquet.schema_arrow, parameters.columns, unit.uri)
            for group in range(parquet.num_row_groups):
                for piece in _pieces(parquet, group, parameters.columns):
                    yield from bounded(_documents(piece, parameters.columns, row, seen, unit.uri))
                    row += len(piece)
        except pa.ArrowInvalid as error:
            raise _damaged(error, unit.uri) from error
        except OSError as error:
            # Arrow reports damaged pages as an OSError without a number; what the store raises has a number or a type.
            if type(error) is not OSError or error.errno is not None:
                raise
            raise _damaged(error, unit.uri) from error


def _damaged(error: Exception, uri: str) -> InputError:
    return InputError(f"not a whole Parquet file: {error}", where=uri, remedy="write or fetch it again")


def _check_columns(schema: pa.Schema, columns: ColumnMapping, uri: str) -> None:
    wanted = [("text", columns.text, "string"), ("id", columns.id, "string"), ("url", columns.url, "string")]
    wanted += [(f"keep.{name}", source, kind) for name, (source, kind) in columns.kept().items()]
    for role, name, kind in wanted:
        if name is None:
            continue
        if name not in schema.names:
            raise InputError(
                f"there is no column {name!r}, which `columns.{role}` names; {did_you_mean(name, schema.names)}",
                where=uri,
                expected=f"one of the columns of the file: {', '.join(schema.names[:50]) or '(none)'}",
                remedy=f"set `columns: {{{role}: NAME}}` in the source's parameters",
            )
        found = schema.field(name).type
        if not _is_castable(found, role, kind):
            raise InputError(
                f"column {name!r}, which `columns.{role}` names, holds {found}",
                where=uri,
                expected={"id": "strings or integers", "text": "strings"}.get(role, kind),
                remedy="name another column, or another type",
            )


def _is_castable(found: pa.DataType, role: str, kind: str) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    if role in ("text", "url"):
        return _is_text(found)
    if role == "id":
        return _is_text(found) or pa.types.is_integer(found)
    if kind == "string" and (_is_text(found) or pa.types.is_nested(found)):
        return True
    try:
        pa.array([], found).cast(arrow_type(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _is_text(kind: pa.DataType) -> bool:
    return is_stringlike(kind) or pa.types.is_string_view(kind) or pa.types.is_binary_view(kind) or pa.types.is_null(kind)


def _pieces(parquet: pq.ParquetFile, group: int, columns: ColumnMapping) -> Iterator[pa.RecordBatch]:
    """A row group's rows, so many at once that their text is about a row group of ours."""
    metadata = parquet.metadata.row_group(group)
    text_bytes = sum(
        metadata.column(index).total_uncompressed_size
        for index in range(metadata.num_columns)
        if metadata.column(index).path_in_schema.split(".")[0] == columns.text
    )
    rows = max(1, metadata.num_rows)
    batch_rows = min(ROW_GROUP_ROWS, max(1, rows * ROW_GROUP_TEXT_BYTES // max(1, text_bytes)))
    for batch in parquet.iter_batches(batch_size=batch_rows, row_groups=[group], columns=columns.names(), use_threads=False):
        yield one_batch(pa.Table.from_batches([batch]))


def _documents(batch: pa.RecordBatch, columns: ColumnMapping, first: int, seen: SeenIds, uri: str) -> pa.RecordBatch:
    reasons = np.full(len(batch), None, object)
    text, broken = _as_text(batch.column(columns.text))
    reasons[broken] = "invalid_utf8"
    arrays = {"text": text, "native_id": pa.nulls(len(batch), pa.string())}
    if columns.id:
        ids, _ = _as_text(batch.column(columns.id))
        arrays["native_id"] = pc.if_else(pc.equal(ids, ""), None, ids)
    if columns.url:
        arrays["url"], _ = _as_text(batch.column(columns.url))
    for name, (source, kind) in columns.kept().items():
        arrays[name] = _kept(batch.column(source), kind, name, uri)
    numbers = np.arange(first + 1, first + 1 + len(batch))
    return records_batch(arrays, reasons, numbers, seen, lambda row: text[row].as_py())


def _as_text(array: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """The array as valid strings, and the rows in which something was replaced to make them valid."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_integer(array.type) or pa.types.is_null(array.type):
        return array.cast(pa.string()), np.zeros(0, np.int64)
    binary = array.cast(pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(binary), binary.buffers(), offset=binary.offset)
    try:
        text.validate(full=True)
        return text, np.zeros(0, np.int64)
    except pa.ArrowInvalid:
        values = binary.to_pylist()
    whole = [None if value is None else value.decode("utf-8", "replace") for value in values]
    broken = [row for row, (old, new) in enumerate(zip(values, whole, strict=True)) if old is not None and new.encode() != old]
    return pa.array(whole, pa.string()), np.array(broken, np.int64)


def _kept(array: pa.Array, kind: str, name: str, uri: str) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if kind == "string" and _is_text(array.type):
        return _as_text(array)[0]
    if kind == "string" and pa.types.is_nested(array.type):
        values = array.to_pylist(maps_as_pydicts="lossy")
        return pa.array([None if value is None else _json(value) for value in values], pa.string())
    try:
        return array.cast(arrow_type(kind))
    except pa.ArrowInvalid as error:
        raise InputError(
            f"column {name!r} holds {column_type(array.type)} values that are no {kind}: {str(error)[:200]}",
            where=uri,
            remedy=f"set `columns: {{keep: {{{name}: TYPE}}}}` to a type that holds all values, as string",
        ) from error


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
