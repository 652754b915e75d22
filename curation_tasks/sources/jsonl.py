"""JSON Lines: one object a line.

A file is read in blocks of whole lines. Arrow's parser takes a whole block at once where all its lines are what they
should be; else Python's takes it line by line and says of each line what is wrong. Both give the same rows. What the
first accepts too generously (two objects in a line, an object over two lines, bytes that are not UTF-8) is looked for
before and sent to the second.

Lines end at ``\\n`` or ``\\r\\n``; blank ones are counted (``blank_lines``) and skipped; a byte order mark at the start is
skipped. ``NaN`` and ``Infinity``, which JSON does not have but Python writes, are read as numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError, did_you_mean
from curation_tasks.parts import SourceUnit
from curation_tasks.schema import arrow_type
from curation_tasks.sources.catalog import ColumnMapping, JsonlParameters
from curation_tasks.sources.files import open_decompressed
from curation_tasks.sources.json_values import converted_value, is_encodable, parsed_object
from curation_tasks.sources.jsonl_lines import Block, Lines, blocks, is_regular, lines_of
from curation_tasks.sources.records import SeenIds, bounded, records_batch
from curation_tasks.storage.shard import one_batch

#: So many records without the text column, or without any object, prove that the file is another than the one meant.
PROBED_RECORDS = 1000


def read_jsonl(unit: SourceUnit, parameters: JsonlParameters, context: RunContext) -> Iterator[pa.RecordBatch]:
    """Reads a file of JSON objects, one a line.

    Adds: ``text``, ``native_id``, ``url`` where mapped, and the kept columns. A kept value that is not of its column's type is
    null and counted as ``unreadable.{column}``; in a string column, what is no string (a nested object too) becomes JSON text.

    Rejects, with the line's number as ``reject_value``:
        malformed_json: Not JSON.
        not_an_object: JSON, but a list, a number …
        missing_text: The text is null or absent.
        text_not_a_string: The text is a number, an object …
        invalid_utf8: The line is not UTF-8, or the text has half a surrogate pair as an escape.
        record_too_long: The line has more than ``max_record_bytes``.
        repeated_id: An earlier record of this file has the identity; the text stays whole.
    The text of the others is the raw line, up to 64 KB of it.

    Raises:
        InputError: The first 1000 objects, or all, lack the text column; none of the first 1000 lines is an object; or the
            compressed data is damaged.
    """
    reader = _LineReader(unit.uri, parameters, context)
    with open_decompressed(unit.uri, parameters.compression) as stream:
        for block in blocks(stream, parameters.max_record_bytes):
            batch = reader.read(block)
            if len(batch):
                yield from bounded(batch)
    reader.finish()


class _LineReader:
    """Turns the blocks of one file into batches, and keeps what must be known across them."""

    def __init__(self, uri: str, parameters: JsonlParameters, context: RunContext):
        self._uri, self._parameters, self._context = uri, parameters, context
        self._columns: ColumnMapping = parameters.columns
        self._seen = SeenIds()
        self._text_found = False
        self._objects = self._records = 0
        self._first_keys: tuple[int, list[str]] = (0, [])
        self._fields = _field_types(parameters.columns)

    def read(self, block: Block) -> pa.RecordBatch:
        lines, blank_lines = lines_of(block)
        if blank_lines:
            self._context.count("blank_lines", blank_lines)
        columns, reasons = self._whole_block(lines) or self._line_by_line(lines)
        if not self._text_found:
            self._look_for_text(columns["text"], lines)
        return records_batch(columns, reasons, lines.numbers, self._seen, lines.raw)

    def finish(self) -> None:
        """Called at the end of the file.

        Raises:
            InputError: No object of the file has the text column.
        """
        if self._objects and not self._text_found:
            raise self._no_text_column()

    def _whole_block(self, lines: Lines) -> tuple[dict[str, pa.Array], np.ndarray] | None:
        """All lines at once; None when any of them needs a closer look."""
        if not is_regular(lines, self._parameters.max_record_bytes):
            return None
        try:
            table = pa.json.read_json(
                pa.BufferReader(lines.data),
                pa.json.ReadOptions(use_threads=False, block_size=len(lines.data) + 1),
                pa.json.ParseOptions(explicit_schema=pa.schema(list(self._fields.items())), unexpected_field_behavior="ignore"),
            )
        except (pa.ArrowInvalid, UnicodeDecodeError):
            return None
        if len(table) != len(lines):
            return None
        batch = one_batch(table)
        ids = batch.column(self._columns.id).cast(pa.string()) if self._columns.id else pa.nulls(len(batch), pa.string())
        if self._columns.id:
            ids = pc.if_else(pc.equal(ids, ""), None, ids)
        columns = {"text": batch.column(self._columns.text), "native_id": ids}
        if self._columns.url:
            columns["url"] = batch.column(self._columns.url)
        columns |= {name: batch.column(source) for name, (source, _) in self._columns.kept().items()}
        return columns, np.full(len(lines), None, object)

    def _line_by_line(self, lines: Lines) -> tuple[dict[str, pa.Array], np.ndarray]:
        reasons = np.full(len(lines), None, object)
        records: list[dict[str, Any]] = []
        for row in range(len(lines)):
            if lines.cut or lines.ends[row] - lines.starts[row] > self._parameters.max_record_bytes:
                record: Any = "record_too_long"
            else:
                record = parsed_object(lines[row])
            if isinstance(record, str):
                reasons[row], record = record, {}
            records.append(record)
        texts: list[str | None] = []
        for row, record in enumerate(records):
            text = record.get(self._columns.text)
            if text is not None and not isinstance(text, str):
                reasons[row], text = "text_not_a_string", None
            elif text is not None and not is_encodable(text):
                reasons[row], text = "invalid_utf8", None
            texts.append(text)
        self._expect_ids([record.get(self._columns.id) for record in records] if self._columns.id else [])
        columns = {"text": pa.array(texts, pa.string()), "native_id": self._converted(records, self._columns.id, "id")}
        if self._columns.url:
            columns["url"] = self._converted(records, self._columns.url, "url")
        for name, (source, kind) in self._columns.kept().items():
            columns[name] = self._converted(records, source, kind, name)
        return columns, reasons

    def _expect_ids(self, ids: Sequence[Any]) -> None:
        """Whole blocks are read with the type that identities have been found to have, integers or strings."""
        found = {type(value) for value in ids if value is not None}
        if self._columns.id and found in ({int}, {str}) and self._columns.id not in _typed_names(self._columns):
            self._fields[self._columns.id] = pa.int64() if found == {int} else pa.string()

    def _converted(self, records: list[dict[str, Any]], source: str | None, kind: str, name: str | None = None) -> pa.Array:
        values, unreadable = [], 0
        for record in records:
            value = record.get(source) if source else None
            converted = converted_value(value, kind)
            unreadable += value is not None and converted is None and value != ""
            values.append(converted)
        if unreadable:
            self._context.count(f"unreadable.{name or kind}", unreadable)
        return pa.array(values, arrow_type("string" if kind in ("id", "url") else kind))

    def _look_for_text(self, texts: pa.Array, lines: Lines) -> None:
        if texts.null_count < len(texts):
            self._text_found = True
            return
        for row in range(len(lines)):
            record = "record_too_long" if lines.cut else parsed_object(lines[row])
            self._records += 1
            if isinstance(record, dict):
                if self._objects == 0:
                    self._first_keys = int(lines.numbers[row]), list(record)
                self._objects += 1
                if self._columns.text in record:
                    self._text_found = True
                    return
                if self._objects >= PROBED_RECORDS:
                    raise self._no_text_column()
            elif self._objects == 0 and self._records >= PROBED_RECORDS:
                raise InputError(
                    f"none of the first {PROBED_RECORDS} lines is a JSON object",
                    where=f"{self._uri}:{lines.numbers[row]}",
                    expected="JSON Lines: one object a line",
                    remedy="a JSON list becomes that with `jq -c '.[]'`",
                )

    def _no_text_column(self) -> InputError:
        line, names = self._first_keys
        return InputError(
            f"no record has the text column {self._columns.text!r}; {did_you_mean(self._columns.text, names)}",
            where=f"{self._uri}:{line}",
            expected=f"one of the columns found there: {', '.join(names[:50]) or '(none)'}",
            remedy="set `columns: {text: NAME}` in the source's parameters",
        )


def _field_types(columns: ColumnMapping) -> dict[str, pa.DataType]:
    return {name: pa.string() for name in columns.names()} | _typed_names(columns)


def _typed_names(columns: ColumnMapping) -> dict[str, pa.DataType]:
    return {source: arrow_type(kind) for source, kind in columns.kept().values() if source not in (columns.text, columns.url)}
