"""Which marks of Markdown a text may hold: one pass over the bytes, so that patterns see only the texts in which they may match.

Every test is one that a match cannot fail: what is not found here is in no text, what is found may yet be none.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.utf8 import text_buffers

#: Bits of what a text may hold. Emphasis has one for each character that it is written with.
FENCES, HEADINGS, QUOTES, IMAGES, LINKS, STARS, UNDERSCORES, STRIKETHROUGH, CODE = (1 << bit for bit in range(9))

_NEWLINE, _SPACE, _BANG, _HASH, _OPENING, _GREATER, _LEFT, _RIGHT, _BACKTICK = b"\n !#(>[]`"
_FENCE = 3  # marks in a row
_INDENT = 3  # spaces before a heading or a quote
#: The bit of characters that open and close.
_PAIRED = np.zeros(256, np.int64)
_PAIRED[list(b"*_~`")] = STARS, UNDERSCORES, STRIKETHROUGH, CODE
_LOOKED_AT = np.zeros(256, np.bool_)
_LOOKED_AT[list(b"\n#>[]*_~`")] = True
#: ASCII that RE2 calls white space.
_BLANK = np.zeros(256, np.bool_)
_BLANK[list(b"\t\n\f\r ")] = True
#: ASCII that stands on the outer side of no emphasis. Of other characters, whether they are letters is left to the pattern.
_INSIDE = np.zeros(256, np.bool_)
_INSIDE[[byte for byte in range(128) if chr(byte).isalnum() or chr(byte) in "_*~\\"]] = True


def possible_marks(texts: pa.Array) -> np.ndarray:
    """The bits above of what each text may hold: int64, shape (rows,); 0 for nulls."""
    offsets, data = text_buffers(texts)
    found = np.zeros(len(texts), np.int64)
    _find(data, offsets, found)
    return found


@inlined
def _begins_line(data, start, at):
    """Whether at most three spaces stand before it on its line."""
    before = at
    while before > start and at - before < _INDENT and data[before - 1] == _SPACE:
        before -= 1
    return before == start or data[before - 1] == _NEWLINE


@inlined
def _opens(data, start, at, behind, end):
    """Whether the run of marks ``data[at:behind]`` has no letter before it and no white space behind it."""
    return (at == start or not _INSIDE[data[at - 1]]) and behind < end and not _BLANK[data[behind]]


@inlined
def _closes(data, start, at, behind, end):
    """Whether it has no letter behind it and no white space before it."""
    return (behind == end or not _INSIDE[data[behind]]) and at > start and not _BLANK[data[at - 1]]


@kernel(f"void({BYTES}, {OFFSETS}, int64[::1])")
def _find(data, offsets, found):
    for row in range(offsets.shape[0] - 1):
        start, end = offsets[row], offsets[row + 1]
        marks = opened = np.int64(0)  # opened: on this line
        at = start
        while at < end:
            mark = data[at]
            if not _LOOKED_AT[mark]:
                at += 1
                continue
            behind = at + 1
            while behind < end and data[behind] == mark:
                behind += 1
            pair = _PAIRED[mark]
            if mark == _NEWLINE:
                opened = np.int64(0)
            elif mark in (_HASH, _GREATER):
                if _begins_line(data, start, at):
                    marks |= HEADINGS if mark == _HASH else QUOTES
            elif mark == _LEFT:
                marks |= IMAGES if at > start and data[at - 1] == _BANG else 0
            elif mark == _RIGHT:
                marks |= LINKS if behind < end and data[behind] == _OPENING else 0
            elif pair == CODE:
                marks |= pair & opened
                opened |= pair
            else:
                if _closes(data, start, at, behind, end):
                    marks |= pair & opened
                if _opens(data, start, at, behind, end):
                    opened |= pair
            if pair & (CODE | STRIKETHROUGH) and behind - at >= _FENCE:
                marks |= FENCES
            at = behind
        found[row] = marks
