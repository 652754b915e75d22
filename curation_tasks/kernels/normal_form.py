"""The form in which texts are compared: lower case, and separators as spaces, byte by byte into room that the caller has."""

from __future__ import annotations

from functools import cache

import numpy as np

from curation_tasks.kernels.compilation import inlined
from curation_tasks.kernels.utf8 import decode, encode, width_of

_SPACE = np.uint8(32)
#: Bytes behind a text in its normal form that loops may read: separators.
PADDING = 16

# A code point's entry in a table: its lower case, and whether it separates units.
_SEPARATES, _CODE = np.uint32(1 << 31), np.uint32(0x1FFFFF)

#: Signature of a table of ``character_table``.
TABLE = 'Array(uint32, 1, "C", readonly=True)'


@cache
def character_table(lower: bool, separators: str) -> np.ndarray:
    """What each code point becomes.

    Args:
        lower: To its simple lower case.
        separators: Which characters separate units: ``none``, ``whitespace``, or ``alnum`` (all but letters, digits and ``_``).

    Returns:
        uint32, shape (0x110000,): lower case, with the highest bit set for separators.
    """
    table = np.arange(0x110000, dtype=np.uint32)
    if separators == "alnum":
        table |= _SEPARATES
    # The planes beyond have no letters, digits or white space.
    for code in range(0x40000):
        if 0xD800 <= code < 0xE000:
            continue
        character = chr(code)
        # One character becomes two in one case only (U+0130), whose simple lower case is the first of the two.
        entry = ord(character.lower()[0]) if lower else code
        if separators == "alnum":
            separates = not (character.isalnum() or character == "_")
        else:
            separates = separators == "whitespace" and character.isspace()
        table[code] = entry | _SEPARATES if separates else entry
    table.flags.writeable = False
    return table


@inlined
def ascii_table(table):
    """The entries of ASCII as bytes, separators as spaces."""
    ascii_bytes = np.empty(128, np.uint8)
    for code in range(128):
        ascii_bytes[code] = _SPACE if table[code] & _SEPARATES else np.uint8(table[code] & _CODE)
    return ascii_bytes


@inlined
def normal_form(data, start, end, table, ascii_bytes, collapse, out):
    """Writes a text as it is compared: lower case, each separator a space; with ``collapse`` runs of them one, none at the ends.

    ``out`` has room for twice the bytes and ``PADDING``, which is filled with spaces.

    Returns:
        The length.
    """
    at, to = start, 0
    spaced = True  # a separator that follows is one too many
    while at < end:
        byte = data[at]
        if byte < 128:
            byte = ascii_bytes[byte]
            at += 1
            out[to] = byte
            if collapse:
                space = byte == _SPACE
                to += not (space and spaced)
                spaced = space
            else:
                to += 1
            continue
        width = min(width_of(byte), end - at)
        entry = table[decode(data, at, width, end)]
        at += width
        if entry & _SEPARATES:
            if not (collapse and spaced):
                out[to] = _SPACE
                to += 1
            spaced = True
        else:
            to = encode(np.int64(entry & _CODE), out, to)
            spaced = False
    if collapse and spaced and to > 0:
        to -= 1
    for k in range(PADDING):
        out[to + k] = _SPACE
    return to
