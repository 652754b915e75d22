"""Sentences and paragraphs of texts as spans of their bytes, and texts without some spans.

Units tile a text: each reaches to the begin of the next one, so that the white space behind a unit goes with it. What is
blank belongs to the unit before it (to the first one at the begin of a text), so that every unit has something to compare.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.bitmaps import PADDING
from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.line_scan import copy
from curation_tasks.kernels.sentence_breaks import sentence_break_table, sentence_end
from curation_tasks.kernels.utf8 import character_before, is_ascii_space, is_wide_space, string_array, text_buffers, width_of

#: Bytes of a unit, on average, for which there is room at first; texts of shorter ones are split twice.
_UNIT_BYTES = 24
_BREAKS = 'Array(uint8, 1, "C", readonly=True)'


class Units(NamedTuple):
    """Units of some texts, in their order; int64, shape (units,).

    Attributes:
        row: The text that each is of.
        start: First byte, in the text.
        content_start: First byte that is not white space.
        content_end: Behind the last byte that is not white space.
        end: Begin of the next unit, or the end of the text.
        characters: Code points from ``start`` to ``end``.
    """

    row: np.ndarray
    start: np.ndarray
    content_start: np.ndarray
    content_end: np.ndarray
    end: np.ndarray
    characters: np.ndarray


def paragraphs(texts: pa.Array) -> Units:
    """What stands between line feeds.

    Args:
        texts: string or large_string, shape (rows,); a null has no unit, nor has a blank text.
    """
    return _units(texts, sentences=False)


def sentences(texts: pa.Array) -> Units:
    """Sentences by the rules of Unicode (UAX #29, section 5); a line end ends one.

    Args:
        texts: string or large_string, shape (rows,); a null has no unit, nor has a blank text.
    """
    return _units(texts, sentences=True)


def _units(texts: pa.Array, *, sentences: bool) -> Units:
    offsets, data = text_buffers(texts)
    padded = np.concatenate([data[offsets[0] : offsets[-1]], np.zeros(PADDING, np.uint8)])
    padded.flags.writeable = False
    offsets = offsets - offsets[0]
    offsets.flags.writeable = False
    room = len(texts) + len(padded) // _UNIT_BYTES
    while True:
        found = np.empty((6, room), np.int64)
        count = _split(padded, offsets, sentences, sentence_break_table(), found)
        if count <= room:
            return Units(*found[:, :count].copy())
        room = count


def cut(texts: pa.Array, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.Array:
    """The texts without some spans.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        rows: int64, shape (spans,), ascending.
        starts: int64, shape (spans,): bytes from the begin of the text; ascending in a row, spans do not overlap.
        ends: int64, shape (spans,).
    """
    offsets, data = text_buffers(texts)
    written = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    new_offsets = np.zeros(len(offsets), np.int64)
    _cut(data, offsets, rows, starts, ends, written, new_offsets)
    return string_array(texts, new_offsets, written[: new_offsets[-1]])


def pieces(texts: pa.Array, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.Array:
    """Some spans of texts, as texts.

    Args:
        texts: string or large_string, shape (rows,).
        rows: int64, shape (spans,): the text of each.
        starts: int64, shape (spans,): bytes from the begin of the text, at a character.
        ends: int64, shape (spans,).

    Returns:
        large_string, shape (spans,).
    """
    offsets, data = text_buffers(texts)
    begins = offsets[rows]
    new_offsets = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64)
    written = np.empty(int(new_offsets[-1]), np.uint8)
    _gather(data, begins + starts, begins + ends, written)
    return pa.Array.from_buffers(pa.large_string(), len(rows), [None, pa.py_buffer(new_offsets), pa.py_buffer(written)])


@inlined
def _space_width(data, at, end):
    """Bytes of the white space at ``at``; 0 when there is none."""
    if data[at] < 0x80:
        return 1 if is_ascii_space(data[at]) else 0
    return width_of(data[at]) if is_wide_space(data, at, end) else 0


@inlined
def paragraph_end(text, at, size):
    """Behind the next line feed, or the end of the text."""
    while at < size:
        at += 1
        if text[at - 1] == 10:
            break
    return at


@inlined
def _add(text, row, start, end, found, count, before):
    """Adds the unit ``[start, end)``; one that is blank becomes part of the one before it, or waits for the first of the text.

    Args:
        text: From the begin of the row on.
        row: Of the unit.
        start: Of the unit.
        end: Of the unit.
        found: Columns of ``Units``; what has no room is only counted.
        count: Number of units so far.
        before: Number of units before this text.

    Returns:
        ``(number of units, begin of the next one)``.
    """
    characters = 0
    for at in range(start, end):
        characters += (text[at] & 0xC0) != 0x80
    first, last = start, end
    while first < end:
        space = _space_width(text, first, end)
        if space == 0:
            break
        first += space
    if first >= end:
        first = np.int64(-1)
    while last > first >= 0:
        before_last = character_before(text, first, last)
        if _space_width(text, before_last, end) == 0:
            break
        last = before_last
    if first < 0 and count == before:
        return count, start
    if first < 0:
        if count <= found.shape[1]:
            found[4, count - 1] = end
            found[5, count - 1] += characters
        return count, end
    if count < found.shape[1]:
        found[0, count], found[1, count], found[2, count] = row, start, first
        found[3, count], found[4, count], found[5, count] = last, end, characters
    return count + 1, end


@kernel(f"int64({BYTES}, {OFFSETS}, boolean, {_BREAKS}, int64[:, ::1])")
def _split(data, offsets, sentences, breaks, found):
    """Writes as many units as there is room for, and returns how many there are."""
    count = 0
    for row in range(offsets.shape[0] - 1):
        size = offsets[row + 1] - offsets[row]
        text = data[offsets[row] :]  # the rules look back, but never into another text
        before = count
        start = end = 0
        while end < size:
            end = sentence_end(text, end, size, breaks) if sentences else paragraph_end(text, end, size)
            count, start = _add(text, row, start, end, found, count, before)
    return count


@kernel(f"void({BYTES}, {OFFSETS}, int64[::1], int64[::1], int64[::1], uint8[::1], int64[::1])")
def _cut(data, offsets, rows, starts, ends, written, new_offsets):
    to = span = 0
    for row in range(offsets.shape[0] - 1):
        at = offsets[row]
        while span < rows.shape[0] and rows[span] == row:
            to = copy(data, at, offsets[row] + starts[span], written, to)
            at = offsets[row] + ends[span]
            span += 1
        to = copy(data, at, offsets[row + 1], written, to)
        new_offsets[row + 1] = to


@kernel(f"int64({BYTES}, int64[::1], int64[::1], uint8[::1])")
def _gather(data, starts, ends, written):
    to = 0
    for piece in range(starts.shape[0]):
        to = copy(data, starts[piece], ends[piece], written, to)
    return to
