"""Lines in compiled loops: where they begin and end, and what their words are.

Two notions of a line are in use: what ``str.splitlines`` gives (C4), and what stands between line feeds (RefinedWeb). They
differ in the table of byte kinds that a kernel is given.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.utf8 import is_wide_space, text_buffers, width_of

#: Kinds of bytes: part of a word; white space; ends a line; may begin white space beyond ASCII.
ORDINARY, SPACE, BREAK, WIDE = 0, 1, 2, 3


def _byte_kinds(breaks: bytes) -> np.ndarray:
    kinds = np.zeros(256, np.uint8)
    kinds[list(b"\t\n\v\f\r\x1c\x1d\x1e\x1f ")] = SPACE
    kinds[[0xC2, 0xE1, 0xE2, 0xE3]] = WIDE  # the lead bytes of all white space beyond ASCII
    kinds[list(breaks)] = BREAK
    return kinds


#: Kinds of bytes when lines are those of ``str.splitlines`` (which also breaks at U+0085, U+2028 and U+2029).
SPLITLINES = _byte_kinds(b"\n\v\f\r\x1c\x1d\x1e")
#: Kinds of bytes when lines stand between line feeds.
LINE_FEEDS = _byte_kinds(b"\n")


@inlined
def _is_wide_break(data, at):
    """Whether white space beyond ASCII is one of U+0085, U+2028 and U+2029."""
    if data[at] == 0xC2:
        return data[at + 1] == 0x85
    return data[at] == 0xE2 and data[at + 1] == 0x80 and (data[at + 2] == 0xA8 or data[at + 2] == 0xA9)


@inlined
def _word_end(data, at, end, kinds):
    while at < end:
        kind = kinds[data[at]]
        if kind in (SPACE, BREAK) or (kind == WIDE and is_wide_space(data, at, end)):
            break
        at += 1
    return at


@inlined
def scan_line(data, at, end, kinds, wide_breaks, longest_word):
    """Reads the line that begins at ``at``.

    Args:
        data: Bytes.
        at: Where the line begins.
        end: Where the text ends.
        kinds: ``SPLITLINES`` or ``LINE_FEEDS``.
        wide_breaks: Whether U+0085, U+2028 and U+2029 end a line.
        longest_word: Characters of the longest word allowed.

    Returns:
        ``(begin, finish, stop, after, words, too_long)``: the line without white space around it is ``[begin, finish)``; it ends at
        ``stop``, the next one begins at ``after``; its number of words; and whether one is longer than allowed.
    """
    begin = finish = at
    words, too_long = 0, False
    while at < end:
        kind = kinds[data[at]]
        if kind == BREAK:
            crlf = data[at] == 13 and at + 1 < end and data[at + 1] == 10
            return begin, finish, at, at + 1 + crlf, words, too_long
        if kind == SPACE:
            at += 1
        elif kind == WIDE and is_wide_space(data, at, end):
            width = 2 if data[at] == 0xC2 else 3
            if wide_breaks and _is_wide_break(data, at):
                return begin, finish, at, at + width, words, too_long
            at += width
        else:
            if words == 0:
                begin = at
            finish = _word_end(data, at, end, kinds)
            words += 1
            if finish - at > longest_word:
                too_long |= characters(data, at, finish) > longest_word
            at = finish
    return begin, finish, end, end, words, too_long


@inlined
def characters(data, start, end):
    """Code points in ``[start, end)``."""
    count = 0
    for k in range(start, end):
        count += (data[k] & 0xC0) != 0x80
    return count


@inlined
def copy(data, start, end, to, at):
    """Copies ``data[start:end]`` to ``to[at:]``; where the copy ends."""
    for k in range(end - start):
        to[at + k] = data[start + k]
    return at + end - start


@inlined
def strip(data, start, end):
    """``[start, end)`` without white space at its ends."""
    while start < end:
        if 9 <= data[start] <= 13 or 28 <= data[start] <= 32:
            start += 1
        elif is_wide_space(data, start, end):
            start += 2 if data[start] == 0xC2 else 3
        else:
            break
    while start < end:
        last = data[end - 1]
        if 9 <= last <= 13 or 28 <= last <= 32:
            end -= 1
        elif last >= 0x80 and end - start >= 2 and data[end - 2] == 0xC2 and is_wide_space(data, end - 2, end):
            end -= 2
        elif last >= 0x80 and end - start >= 3 and data[end - 3] >= 0xE1 and is_wide_space(data, end - 3, end):
            end -= 3
        else:
            break
    return start, end


def count_words(texts: pa.Array) -> np.ndarray:
    """Words between white space of each text: int64, shape (rows,); nulls have none."""
    offsets, data = text_buffers(texts)
    words = np.zeros(len(texts), np.int64)
    _count_words(data, offsets, LINE_FEEDS, words)
    return words


@kernel(f"void({BYTES}, {OFFSETS}, uint8[::1], int64[::1])")
def _count_words(data, offsets, kinds, words):
    for row in range(offsets.shape[0] - 1):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            if kinds[data[at]] == ORDINARY or (kinds[data[at]] == WIDE and not is_wide_space(data, at, end)):
                words[row] += 1
                at = _word_end(data, at, end, kinds)
            else:
                at += width_of(data[at])
