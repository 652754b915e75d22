"""Hashes of units of texts as they are compared: without what the steps take out of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.bitmaps import PADDING
from curation_tasks.kernels.characters import CODE_POINTS, properties
from curation_tasks.kernels.compilation import BYTES, OFFSETS, kernel, positions
from curation_tasks.kernels.text_units import Units
from curation_tasks.kernels.utf8 import decode, encode, text_buffers, width_of
from curation_tasks.kernels.xxh3 import xxh3_128

#: What may be taken out of a unit before it is compared.
Step = Literal["accents", "digits", "lower", "punctuation", "whitespace"]

#: Bytes of room for a unit that is hashed, at least: one is normalised at a time.
_SCRATCH = 4096

_DROP, _SPACE, _CODE = np.uint32(1 << 31), np.uint32(1 << 30), np.uint32(0x1FFFFF)
_TABLE = 'Array(uint32, 1, "C", readonly=True)'


def unit_hashes(texts: pa.Array, units: Units, steps: Sequence[Step]) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of the units as they are compared, without white space at their ends.

    Args:
        texts: string or large_string, shape (rows,).
        units: Of them, by ``text_units.paragraphs`` or ``text_units.sentences``.
        steps: ``lower`` (Unicode simple lower-casing), ``whitespace`` (runs become one space), ``digits`` (each becomes 0),
            ``punctuation`` (general category P goes), ``accents`` (characters lose their marks). In whatever order.

    Returns:
        ``(hashes, characters)``: uint64, shape (units, 2): high and low half of the XXH3-128 of what is left of each; int64, shape
        (units,): its code points.

    Source:
        The steps are those of CCNet's ``text_normalizer``.
    """
    offsets, data = text_buffers(texts)
    begins = offsets[units.row]
    starts, ends = begins + units.content_start, begins + units.content_end
    hashes, characters = np.empty((len(starts), 2), np.uint64), np.empty(len(starts), np.int64)
    longest = int((ends - starts).max(initial=0))
    # Two bytes may become three: U+023A and its like.
    scratch = np.empty(max(_SCRATCH, 3 * longest + PADDING), np.uint8)
    _hash_units(data, starts, ends, _table(tuple(sorted(steps))), scratch, hashes, characters)
    return hashes, characters


def span_hashes(hashes: np.ndarray, first: np.ndarray, span: int) -> np.ndarray:
    """XXH3-128 of the hashes of neighbouring units side by side, big-endian, high half first.

    Args:
        hashes: uint64, shape (units, 2).
        first: int64, shape (spans,): the first unit of each.
        span: Units in each.

    Returns:
        uint64, shape (spans, 2).
    """
    joined = np.concatenate([hashes.astype(">u8").view(np.uint8).ravel(), np.zeros(8, np.uint8)])
    found = np.empty((len(first), 2), np.uint64)
    _hash_spans(joined, positions(first), span, found)
    return found


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


@kernel(f"void({BYTES}, int64[::1], int64[::1], {_TABLE}, uint8[::1], uint64[:, ::1], int64[::1])")
def _hash_units(data, starts, ends, table, written, hashes, characters):
    lanes = np.empty(8, np.uint64)
    for unit in range(starts.shape[0]):
        at, end = starts[unit], ends[unit]
        to = count = 0
        space = False
        while at < end:
            if data[at] < 0x80:
                entry = table[data[at]]
                at += 1
            else:
                width = width_of(data[at])
                entry = table[decode(data, at, width, end)]
                at += width
            if entry & _DROP:
                continue
            if entry & _SPACE:
                space = to > 0
                continue
            if space:
                written[to] = 32
                to += 1
                count += 1
                space = False
            to = encode(entry & _CODE, written, to)
            count += 1
        hashes[unit, 0], hashes[unit, 1] = xxh3_128(written, 0, to, lanes)
        characters[unit] = count


@kernel(f"void(uint8[::1], {OFFSETS}, int64, uint64[:, ::1])")
def _hash_spans(joined, first, span, found):
    lanes = np.empty(8, np.uint64)
    for item in range(first.shape[0]):
        found[item, 0], found[item, 1] = xxh3_128(joined, 16 * first[item], 16 * span, lanes)
