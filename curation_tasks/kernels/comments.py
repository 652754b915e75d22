"""Comments of source code, by the way in which a language writes them: one pass, no parser.

Strings are recognised, so that a `#` or `//` within one begins no comment. For Python a string that is a statement of its
own, as a docstring is, counts as a comment.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.utf8 import text_buffers

_HASH, _SLASH, _DASH, _PYTHON = 0, 1, 2, 3
STYLES = {"hash": _HASH, "slash": _SLASH, "dash": _DASH, "python": _PYTHON}

_NEWLINE, _TAB, _SPACE, _DOUBLE, _SINGLE, _NUMBER, _BACKTICK = 10, 9, 32, 34, 39, 35, 96
_STAR, _MINUS, _SLANT, _BACKSLASH = 42, 45, 47, 92


def comment_characters(texts: pa.Array, style: str) -> np.ndarray:
    """Characters of the comments of each text, without the marks that begin and end them.

    Args:
        texts: string or large_string, shape (rows,); a null counts as the empty text.
        style: ``hash`` (shell, Ruby, YAML), ``slash`` (C, Java, JavaScript, Go, Rust), ``dash`` (SQL, Haskell, Lua, Ada) or ``python``.

    Returns:
        int64, shape (rows,).
    """
    offsets, data = text_buffers(texts)
    counts = np.zeros(len(texts), np.int64)
    _count(data, offsets, STYLES[style], counts)
    return counts


@inlined
def _byte(data, at, end):
    return data[at] if at < end else 0


@inlined
def _characters(data, begin, end):
    count = 0
    for at in range(begin, end):
        count += data[at] & 0xC0 != 0x80
    return count


@inlined
def _line_end(data, at, end):
    while at < end and data[at] != _NEWLINE:
        at += 1
    return at


@inlined
def _string_end(data, at, end, triple):
    """Behind the string that begins at ``at``. One without closing quotes ends with its line, or with the text."""
    quote = data[at]
    at += 3 if triple else 1
    while at < end:
        if data[at] == _BACKSLASH:
            at += 2
        elif data[at] == quote and (not triple or (_byte(data, at + 1, end) == quote and _byte(data, at + 2, end) == quote)):
            return min(at + (3 if triple else 1), end)
        elif data[at] == _NEWLINE and not triple and quote != _BACKTICK:
            return at
        else:
            at += 1
    return end


@inlined
def _begins_line_comment(data, at, end, style):
    if style == _SLASH:
        return data[at] == _SLANT and _byte(data, at + 1, end) == _SLANT
    if style == _DASH:
        return data[at] == _MINUS and _byte(data, at + 1, end) == _MINUS
    return data[at] == _NUMBER


@inlined
def _block_end(data, at, end):
    """The position of the ``*/`` that closes a comment, or the end."""
    while at < end and not (data[at] == _STAR and _byte(data, at + 1, end) == _SLANT):
        at += 1
    return at


@inlined
def _ends_statement(data, at, end):
    """Whether nothing but blanks, or a comment, stands between ``at`` and the end of the line."""
    while at < end and (data[at] == _SPACE or data[at] == _TAB or data[at] == 13):
        at += 1
    return at >= end or data[at] == _NEWLINE or data[at] == _NUMBER


@inlined
def _comments(data, start, end, style):
    total = 0
    at = start
    fresh = True  # Nothing but blanks stands before, in this line.
    depth = 0  # Brackets that are open: within them a string is no statement.
    while at < end:
        byte = data[at]
        if _begins_line_comment(data, at, end, style):
            begin = at + (1 if style in (_HASH, _PYTHON) else 2)
            at = _line_end(data, at, end)
            total += _characters(data, begin, at)
        elif style in (_SLASH, _DASH) and byte == _SLANT and _byte(data, at + 1, end) == _STAR:
            close = _block_end(data, at + 2, end)
            total += _characters(data, min(at + 2, end), close)
            at = min(close + 2, end)
        elif byte in (_DOUBLE, _SINGLE) or (byte == _BACKTICK and style == _SLASH):
            triple = style == _PYTHON and _byte(data, at + 1, end) == byte and _byte(data, at + 2, end) == byte
            behind = _string_end(data, at, end, triple)
            if style == _PYTHON and fresh and depth == 0 and _ends_statement(data, behind, end):
                marks = 3 if triple else 1
                total += _characters(data, min(at + marks, behind), max(behind - marks, min(at + marks, behind)))
            at, fresh = behind, False
        else:
            if byte == _NEWLINE:
                fresh = True
            elif byte == 40 or byte == 91 or byte == 123:
                depth += 1
                fresh = False
            elif byte == 41 or byte == 93 or byte == 125:
                depth -= depth > 0
                fresh = False
            elif byte != _SPACE and byte != _TAB:
                fresh = False
            at += 1
    return total


@kernel(f"void({BYTES}, {OFFSETS}, int64, int64[::1])")
def _count(data, offsets, style, counts):
    for row in range(offsets.shape[0] - 1):
        counts[row] = _comments(data, offsets[row], offsets[row + 1], style)
