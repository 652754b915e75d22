"""Forms of texts in which near-equal texts are equal, for comparison.

The form is what Arrow's functions make of a text (``_by_arrow``): several passes, one for each step. Nearly every character becomes the
same wherever it stands, so those functions are asked once what becomes of each, and one compiled pass looks it up. Texts with a
character for which that is not so go to Arrow whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.normal_form import TABLE
from curation_tasks.kernels.row_replacement import with_rows
from curation_tasks.kernels.utf8 import decode, encode, string_array, text_buffers, width_of

#: Unicode's White_Space: the controls that break lines or tab, next line, and all separators.
_WHITESPACE = r"[\t-\r\x{85}\p{Z}]"
#: Combining marks that go.
_MARKS = r"\p{Mn}+"
#: Characters beyond, rare ones, are left to Arrow.
_CODE_POINTS = 0x20000

# An entry of the table: the character that it becomes, or one of these.
_DROPPED, _LEFT_TO_ARROW = np.uint32(1 << 30), np.uint32(1 << 31)
_NO_BYTE = np.uint8(0xFF)
_SPACE = np.uint8(32)


def normalize(texts: pa.Array, steps: Sequence[str]) -> pa.Array:
    """The texts as they are compared.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        steps: Any of ``diacritics`` (combining marks go: ``é`` becomes ``e``), ``punctuation`` (punctuation and symbols go), ``digits``
            (each becomes ``0``), ``lower`` (Unicode simple lower-casing) and ``whitespace`` (runs of Unicode white space become one
            space, none at either end); none leaves the bytes as they are. The result does not depend on the order in which they are listed.
    """
    if not steps:
        return texts
    offsets, data = text_buffers(texts)
    table = _table(tuple(sorted(set(steps))))
    written, new_offsets = np.empty(offsets[-1] - offsets[0] + 1, np.uint8), np.zeros(len(offsets), np.int64)
    left = np.zeros(len(texts), np.bool_)
    _look_up(data, offsets, table, "whitespace" in steps, written, new_offsets, left)
    result = string_array(texts, new_offsets, written[: new_offsets[-1]])
    return with_rows(result, np.flatnonzero(left), _by_arrow(texts.filter(pa.array(left)), steps)) if left.any() else result


# What becomes of each character ----------------------------------------------------------------------------------------


def _by_arrow(texts: pa.Array, steps: Sequence[str]) -> pa.Array:
    if "diacritics" in steps:
        texts = pc.utf8_normalize(_without_marks(texts), form="NFC")
    texts = _without_position(texts, steps)
    if "whitespace" in steps:
        texts = pc.utf8_trim(pc.replace_substring_regex(texts, f"{_WHITESPACE}+", " "), characters=" ")
    return texts


def _without_marks(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(pc.utf8_normalize(texts, form="NFD"), _MARKS, "")


def _without_position(texts: pa.Array, steps: Sequence[str]) -> pa.Array:
    """The steps for which it does not matter where a character stands."""
    if "punctuation" in steps:
        texts = pc.replace_substring_regex(texts, r"[\p{P}\p{S}]+", "")
    if "digits" in steps:
        texts = pc.replace_substring_regex(texts, r"\p{Nd}", "0")
    return pc.utf8_lower(texts) if "lower" in steps else texts


@cache
def _table(steps: tuple[str, ...]) -> np.ndarray:
    """What each character becomes where it does not matter what stands beside it: uint32, shape (0x20000,), read-only."""
    codes = np.array([code for code in range(_CODE_POINTS) if not 0xD800 <= code < 0xE000])
    characters = pa.array([chr(code) for code in codes])
    left = np.zeros(len(codes), bool)
    become = characters
    if "diacritics" in steps:
        become = pc.utf8_normalize(_without_marks(characters), form="NFC")
        left = _matters_what_stands_before(characters)
    become = _without_position(become, steps)
    if "whitespace" in steps:
        become = pc.replace_substring_regex(become, f"^{_WHITESPACE}$", " ")
    lengths = pc.utf8_length(become).to_numpy()
    # No text may grow, so that its bytes are room enough.
    left |= (lengths > 1) | (pc.binary_length(become).to_numpy() > pc.binary_length(characters).to_numpy())
    table = np.full(_CODE_POINTS, _LEFT_TO_ARROW)
    table[codes] = [ord(character) if len(character) == 1 else _DROPPED for character in become.to_pylist()]
    table[codes[left]] = _LEFT_TO_ARROW
    table.flags.writeable = False
    return table


def _matters_what_stands_before(characters: pa.Array) -> np.ndarray:
    """Whether a character may combine or change places with one before it once combining marks have gone: bool, shape (characters,)."""
    decomposed = pc.utf8_normalize(characters, form="NFD")
    several = pc.greater(pc.utf8_length(decomposed), 1)
    # Whatever ends a decomposition of several characters is put together with what stands before it.
    seconds = pc.unique(pc.utf8_slice_codeunits(decomposed.filter(several), -1))
    first = pc.utf8_slice_codeunits(_without_marks(characters), 0, 1)
    # Of what is no mark of the kind that goes, only spacing marks change places.
    moves = pc.match_substring_regex(first, r"^\p{Mc}")
    return pc.or_(pc.and_(pc.is_in(first, seconds), pc.not_equal(first, "")), moves).to_numpy(zero_copy_only=False)


# The pass over the texts -----------------------------------------------------------------------------------------------


@inlined
def _ascii_bytes(table):
    """The entries of ASCII as bytes."""
    ascii_bytes = np.empty(128, np.uint8)
    for code in range(128):
        ascii_bytes[code] = _NO_BYTE if table[code] == _DROPPED else np.uint8(table[code])
    return ascii_bytes


@kernel(f"void({BYTES}, {OFFSETS}, {TABLE}, boolean, uint8[::1], int64[::1], boolean[::1])")
def _look_up(data, offsets, table, collapse, written, new_offsets, left):
    ascii_bytes = _ascii_bytes(table)
    to = np.int64(0)
    for row in range(offsets.shape[0] - 1):
        at, end, start = offsets[row], offsets[row + 1], to
        spaced = collapse  # a space that follows is one too many
        while at < end:
            if data[at] < 128:
                # Without a branch: what does not stay is written over by what follows.
                byte = ascii_bytes[data[at]]
                at += 1
                written[to] = byte
                stays, is_space = byte != _NO_BYTE, collapse & (byte == _SPACE)
                to += stays & ~(is_space & spaced)
                spaced = is_space | (spaced & ~stays)
                continue
            width = min(width_of(data[at]), end - at)
            code = decode(data, at, width, end)
            at += width
            entry = table[code] if code < _CODE_POINTS else _LEFT_TO_ARROW
            if entry == _LEFT_TO_ARROW:
                left[row] = True
                break
            if entry == _DROPPED or (collapse and spaced and entry == _SPACE):
                continue
            to = encode(np.int64(entry), written, to)
            spaced = collapse & (entry == _SPACE)
        if left[row]:
            to = start
        elif collapse and spaced and to > start:
            to -= 1
        new_offsets[row + 1] = to
