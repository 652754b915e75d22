"""Sentences and paragraphs of texts as spans of their bytes, and these spans as they are compared.

Units tile a text: each reaches to the begin of the next one, so that the white space behind a unit goes with it. What is
blank belongs to the unit before it (to the first one at the begin of a text), so that every unit has something to compare.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.bitmaps import PADDING
from curation_tasks.kernels.characters import CODE_POINTS, properties
from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.sentence_breaks import sentence_break_table, sentence_end
from curation_tasks.kernels.utf8 import decode, is_ascii_space, is_wide_space, string_array, text_buffers, width_of

#: What may be taken out of a unit before it is compared.
Step = Literal["accents", "digits", "lower", "punctuation", "whitespace"]

_DROP, _SPACE, _CODE = np.uint32(1 << 31), np.uint32(1 << 30), np.uint32(0x1FFFFF)
_TABLE = 'Array(uint32, 1, "C", readonly=True)'
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
    count = _split(padded, offsets, sentences, sentence_break_table(), np.empty((6, 0), np.int64))
    found = np.empty((6, count), np.int64)
    _split(padded, offsets, sentences, sentence_break_table(), found)
    return Units(*found)


def compared(texts: pa.Array, units: Units, steps: Sequence[Step]) -> pa.Array:
    """The units as they are compared, without white space at their ends.

    Args:
        texts: That they are of.
        units: Of ``paragraphs`` or ``sentences``.
        steps: ``lower`` (Unicode simple lower-casing), ``whitespace`` (runs become one space), ``digits`` (each becomes 0),
            ``punctuation`` (general category P goes), ``accents`` (characters lose their marks). In whatever order.

    Returns:
        large_string, shape (units,). Empty where nothing is left.

    Source:
        The steps are those of CCNet's ``text_normalizer``.
    """
    offsets, data = text_buffers(texts)
    begins = offsets[units.row]
    starts, ends = begins + units.content_start, begins + units.content_end
    written = np.empty(3 * int((ends - starts).sum()), np.uint8)  # two bytes may become three: U+023A and its like
    new_offsets = np.zeros(len(starts) + 1, np.int64)
    _normalize(data, starts, ends, _table(tuple(sorted(steps))), written, new_offsets)
    return pa.Array.from_buffers(
        pa.large_string(), len(starts), [None, pa.py_buffer(new_offsets), pa.py_buffer(written[: new_offsets[-1]].copy())]
    )


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


@cache
def _table(steps: tuple[Step, ...]) -> np.ndarray:
    """What each code point becomes: another one, a space, or nothing."""
    table = np.arange(CODE_POINTS, dtype=np.uint32)
    for row in properties():
        codes = slice(row.first, row.last + 1)
        if "punctuation" in steps and row.category[0] == "P":
            table[codes] = _DROP
        elif "digits" in steps and row.category == "Nd":
            table[codes] = ord("0")
        elif "accents" in steps and row.category == "Mn":
            table[codes] = _DROP
        elif row.category[0] == "L" and {"accents", "lower"} & set(steps):
            table[codes] = [_letter(chr(code), steps) for code in range(row.first, row.last + 1)]
    if "whitespace" in steps:
        spaces = [code for code in range(0x3001) if chr(code).isspace()]
        table[spaces] = _SPACE
    table.flags.writeable = False
    return table


def _letter(character: str, steps: tuple[Step, ...]) -> int:
    if "accents" in steps:
        base, *marks = unicodedata.normalize("NFD", character)
        if all(unicodedata.category(mark) == "Mn" for mark in marks):
            character = base
    # One character becomes two in one case only (U+0130), whose simple lower case is the first of the two.
    return ord(character.lower()[0] if "lower" in steps else character)


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
        found: Columns of ``Units``; without columns nothing is written, only counted.
        count: Number of units so far.
        before: Number of units before this text.

    Returns:
        ``(number of units, begin of the next one)``.
    """
    first = np.int64(-1)
    last, characters = start, 0
    at = start
    while at < end:
        space = _space_width(text, at, end)
        width = space if space > 0 else width_of(text[at])
        if space == 0:
            if first < 0:
                first = at
            last = min(at + width, end)
        at += width
        characters += 1
    if first < 0 and count == before:
        return count, start
    if first < 0:
        if found.shape[1] > 0:
            found[4, count - 1] = end
            found[5, count - 1] += characters
        return count, end
    if found.shape[1] > 0:
        found[0, count], found[1, count], found[2, count] = row, start, first
        found[3, count], found[4, count], found[5, count] = last, end, characters
    return count + 1, end


@kernel(f"int64({BYTES}, {OFFSETS}, boolean, {_BREAKS}, int64[:, ::1])")
def _split(data, offsets, sentences, breaks, found):
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


@inlined
def _encode(code, written, to):
    """Writes a code point as UTF-8; returns the end of what was written."""
    if code < 0x80:
        written[to] = code
        return to + 1
    if code < 0x800:
        written[to], written[to + 1] = 0xC0 | code >> 6, 0x80 | code & 0x3F
        return to + 2
    if code < 0x10000:
        written[to], written[to + 1], written[to + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
        return to + 3
    written[to], written[to + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 0x3F
    written[to + 2], written[to + 3] = 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
    return to + 4


@kernel(f"void({BYTES}, int64[::1], int64[::1], {_TABLE}, uint8[::1], int64[::1])")
def _normalize(data, starts, ends, table, written, new_offsets):
    to = 0
    for unit in range(starts.shape[0]):
        at, end, begin = starts[unit], ends[unit], to
        space = False
        while at < end:
            width = width_of(data[at])
            entry = table[decode(data, at, width, end)]
            at += width
            if entry & _DROP:
                continue
            if entry & _SPACE:
                space = to > begin
                continue
            if space:
                written[to] = 32
                to += 1
                space = False
            to = _encode(entry & _CODE, written, to)
        new_offsets[unit + 1] = to


@kernel(f"void({BYTES}, {OFFSETS}, int64[::1], int64[::1], int64[::1], uint8[::1], int64[::1])")
def _cut(data, offsets, rows, starts, ends, written, new_offsets):
    to = span = 0
    for row in range(offsets.shape[0] - 1):
        at = offsets[row]
        while span < rows.shape[0] and rows[span] == row:
            for k in range(at, offsets[row] + starts[span]):
                written[to] = data[k]
                to += 1
            at = offsets[row] + ends[span]
            span += 1
        for k in range(at, offsets[row + 1]):
            written[to] = data[k]
            to += 1
        new_offsets[row + 1] = to
