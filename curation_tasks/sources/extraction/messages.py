"""What goes between a reader and its parser process: record batches in Arrow's format, each after its length.

No pickles: a page may do with its parser what it likes, and what comes back is read as data.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO

import pyarrow as pa

from curation_tasks.sources.extraction.pages import PAGE_COLUMNS, ExtractedPage

_LENGTH = struct.Struct("<q")
_REQUEST = pa.schema({"body": pa.large_binary(), "charset": pa.string(), "url": pa.string()})
_ANSWER = pa.schema({"text": pa.large_string(), "reason": pa.string(), "value": pa.float64()} | dict.fromkeys(PAGE_COLUMNS, pa.string()))

#: A page on its way to a parser: its bytes, the charset of its HTTP header, its address.
RawPage = tuple[bytes, str | None, str | None]


def pack_request(pages: Sequence[RawPage]) -> pa.Buffer:
    columns = zip(*pages, strict=True) if pages else ((), (), ())
    return _packed([pa.array(list(column), field.type) for column, field in zip(columns, _REQUEST, strict=True)], _REQUEST)


def unpack_request(message: bytes) -> list[RawPage]:
    batch = _unpacked(message)
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def pack_answer(pages: Sequence[ExtractedPage]) -> pa.Buffer:
    columns = [[page.text for page in pages], [page.reason for page in pages], [page.value for page in pages]]
    columns += [[page.columns[name] for page in pages] for name in PAGE_COLUMNS]
    return _packed([pa.array(column, field.type) for column, field in zip(columns, _ANSWER, strict=True)], _ANSWER)


def unpack_answer(message: bytes) -> list[ExtractedPage]:
    """Raises ``ValueError`` when it is no answer."""
    batch = _unpacked(message)
    if not batch.schema.equals(_ANSWER):
        raise ValueError("not an answer")
    batch.validate(full=True)
    rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return [ExtractedPage(text, reason, value, dict(zip(PAGE_COLUMNS, more, strict=True))) for text, reason, value, *more in rows]


def send(pipe: IO[bytes], message: pa.Buffer | bytes) -> None:
    pipe.write(_LENGTH.pack(len(memoryview(message))))
    pipe.write(message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next message; None at the end."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    message = pipe.read(length)
    return message if len(message) == length else None


def _packed(arrays: list[pa.Array], schema: pa.Schema) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    return sink.getvalue()


def _unpacked(message: bytes) -> pa.RecordBatch:
    with pa.ipc.open_stream(message) as reader:
        return reader.read_next_batch()
