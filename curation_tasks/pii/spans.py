"""Spans of personal data in a batch: how they are kept, how overlaps are settled, how texts are rewritten.

Spans live in one structured array per batch, with positions in bytes of the Arrow data buffer. Users see positions in
characters (Unicode code points) of the document, as Presidio and spaCy count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.schema import arrow_type

#: Names of entities; a span holds an index into them. Their order settles ties between overlapping spans.
ENTITIES = ("EMAIL_ADDRESS", "PHONE_NUMBER", "URL", "PERSON")

SPAN = np.dtype([("row", np.int64), ("start", np.int64), ("end", np.int64), ("entity", np.int8), ("score", np.float64)])


def spans_from(windows: np.ndarray, entity: str, scores: float | np.ndarray) -> np.ndarray:
    """Spans of one entity.

    Args:
        windows: int64, shape (spans, 3): row, start, end.
        entity: One of ``ENTITIES``.
        scores: One for all, or float64 of shape (spans,).
    """
    spans = np.zeros(len(windows), SPAN)
    spans["row"], spans["start"], spans["end"] = windows[:, 0], windows[:, 1], windows[:, 2]
    spans["entity"], spans["score"] = ENTITIES.index(entity), scores
    return spans


def resolve_overlaps(spans: np.ndarray) -> np.ndarray:
    """Spans that do not overlap: each group of overlapping spans becomes one span that covers all of them.

    Nothing that was found is left uncovered, whichever recognizer wins. The span is named after the member with the
    highest score; of equals the longest, then the first, then the one whose entity comes first in ``ENTITIES``.
    Spans that only touch stay apart.

    Args:
        spans: ``SPAN``, shape (spans,), in any order.

    Returns:
        ``SPAN``, shape (at most spans,), in the order of rows and positions.
    """
    if len(spans) == 0:
        return spans
    spans = spans[np.lexsort((spans["entity"], -spans["score"], -spans["end"], spans["start"]))]
    # Rows lie one behind the other in the buffer, so positions alone tell rows apart.
    reach = np.maximum.accumulate(spans["end"])
    first = np.concatenate([[True], spans["start"][1:] >= reach[:-1]])
    group = np.cumsum(first) - 1
    best = np.lexsort((spans["entity"], spans["start"], spans["start"] - spans["end"], -spans["score"], group))
    winners = spans[best[np.concatenate([[True], np.diff(group[best]) > 0])]]
    winners["start"] = spans["start"][first]
    winners["end"] = np.maximum.reduceat(spans["end"], np.flatnonzero(first))
    return winners


def rewrite(texts: pa.Array, offsets: np.ndarray, data: np.ndarray, spans: np.ndarray, replacements: Sequence[str]) -> pa.Array:
    """The texts with each span replaced; the very same array when there is none.

    Args:
        texts: string or large_string, shape (rows,).
        offsets: Its offsets, shape (rows + 1,).
        data: Its bytes, uint8.
        spans: ``SPAN``, not overlapping, in order.
        replacements: What stands for each of ``ENTITIES``.
    """
    if len(spans) == 0:
        return texts
    encoded = [text.encode() for text in replacements]
    inserted = np.array([len(text) for text in encoded], np.int64)
    change = np.zeros(len(texts), np.int64)
    np.add.at(change, spans["row"], inserted[spans["entity"]] - (spans["end"] - spans["start"]))
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    rewritten_offsets = np.concatenate([[0], np.cumsum(np.diff(offsets) + change)])
    if rewritten_offsets[-1] > np.iinfo(width).max:
        width = np.int64
    rewritten = np.empty(int(rewritten_offsets[-1]), np.uint8)
    places = np.concatenate([[0], np.cumsum(inserted)])
    fields = (np.ascontiguousarray(spans[name], np.int64) for name in ("start", "end", "entity"))
    _splice(data, offsets[0], offsets[-1], *fields, np.frombuffer(b"".join(encoded), np.uint8), places, rewritten)
    kind = pa.large_string() if width is np.int64 else pa.string()
    buffers = [_validity(texts), pa.py_buffer(rewritten_offsets.astype(width)), pa.py_buffer(rewritten)]
    return pa.Array.from_buffers(kind, len(texts), buffers, texts.null_count)


def span_column(offsets: np.ndarray, data: np.ndarray, spans: np.ndarray) -> pa.Array:
    """The spans as a ``list<span>`` column with positions in characters of each row's text.

    Args:
        offsets: Shape (rows + 1,).
        data: uint8.
        spans: ``SPAN``, in order of rows and positions.
    """
    starts, ends = np.empty((2, len(spans)), np.int64)
    _characters(offsets, data, *(np.ascontiguousarray(spans[name]) for name in ("row", "start", "end")), starts, ends)
    labels = pa.array(list(ENTITIES), pa.string())
    kind = arrow_type("list<span>")
    values = pa.StructArray.from_arrays(
        [
            pa.array(starts, pa.int32()),
            pa.array(ends, pa.int32()),
            labels.take(pa.array(spans["entity"])),
            pa.array(spans["score"].astype(np.float32)),
        ],
        fields=list(kind.value_type),
    )
    counts = span_counts(len(offsets) - 1, spans)
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32()), values, type=kind)


def span_counts(rows: int, spans: np.ndarray) -> np.ndarray:
    """int64, shape (rows,): the number of spans in each row."""
    return np.bincount(spans["row"], minlength=rows).astype(np.int64)


def _validity(texts: pa.Array) -> pa.Buffer | None:
    return pa.array(texts.is_valid()).buffers()[1] if texts.null_count else None


@inlined
def _copy(source, start, end, target, written):
    target[written : written + end - start] = source[start:end]
    return written + end - start


@inlined
def _count(data, start, end):
    characters = 0
    for position in range(start, end):
        characters += (data[position] & 0xC0) != 0x80
    return characters


@kernel(f"void({BYTES}, int64, int64, int64[::1], int64[::1], int64[::1], {BYTES}, int64[::1], uint8[::1])")
def _splice(data, begin, stop, starts, ends, entities, inserts, places, rewritten):
    read, written = begin, 0
    for index in range(len(starts)):
        entity = entities[index]
        written = _copy(data, read, starts[index], rewritten, written)
        written = _copy(inserts, places[entity], places[entity + 1], rewritten, written)
        read = ends[index]
    _copy(data, read, stop, rewritten, written)


@kernel(f"void({OFFSETS}, {BYTES}, int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])")
def _characters(offsets, data, rows, starts, ends, first, last):
    row, position, characters = -1, 0, 0
    for index in range(len(rows)):
        if rows[index] != row:
            row, characters = rows[index], 0
            position = offsets[row]
        characters += _count(data, position, starts[index])
        first[index] = characters
        characters += _count(data, starts[index], ends[index])
        last[index] = characters
        position = ends[index]
