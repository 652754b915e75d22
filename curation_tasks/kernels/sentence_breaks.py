"""Sentences by the rules of Unicode (UAX #29, section 5).

A sentence can end only behind a terminator or a line end. So the loop jumps from one such character to the next, by bitmaps
among ASCII characters and by the property Sentence_Break among the others, and reads on from there as far as a rule needs.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from curation_tasks.kernels.bitmaps import ALPHANUMERIC, DOT, HIGH, any_set, between, decoded, lowest
from curation_tasks.kernels.characters import table
from curation_tasks.kernels.compilation import inlined
from curation_tasks.kernels.utf8 import character_before

_NAMES = (
    *("Other", "CR", "LF", "Sep", "Extend", "Format", "Sp", "Lower", "Upper", "OLetter", "Numeric", "ATerm", "SContinue", "STerm"),
    "Close",
)
_OTHER, _CR, _LF, _SEP, _EXTEND, _FORMAT, _SP, _LOWER, _UPPER, _OLETTER, _NUMERIC, _ATERM, _SCONTINUE, _STERM, _CLOSE = range(15)
_ONE = np.uint64(1)


@cache
def sentence_break_table() -> np.ndarray:
    """Sentence_Break of each code point."""
    return table(lambda row: _NAMES.index(row.sentence_break))


@inlined
def _kind(text, at, breaks):
    """``(property, bytes)`` of the character at ``at``."""
    if text[at] < 0xC0:
        return np.int64(breaks[text[at]]), 1
    code, width = decoded(text, at)
    return np.int64(breaks[code]), width


@inlined
def _next(text, at, size, breaks):
    """``(property, position, position behind)`` of the next character that is neither mark nor format character (SB5)."""
    while at < size:
        kind, width = _kind(text, at, breaks)
        if kind not in (_EXTEND, _FORMAT):
            return kind, at, at + width
        at += width
    return np.int64(-1), size, size


@inlined
def _previous(text, at, breaks):
    """The property of the character before ``at`` that is neither mark nor format character."""
    while at > 0:
        at = character_before(text, 0, at)
        kind, _ = _kind(text, at, breaks)
        if kind not in (_EXTEND, _FORMAT):
            return kind
    return np.int64(-1)


@inlined
def _small_letter_follows(text, at, size, breaks):
    """Whether the next letter, line end or terminator is a small letter."""
    while at < size:
        kind, width = _kind(text, at, breaks)
        if kind in (_OLETTER, _UPPER, _LOWER, _CR, _LF, _SEP, _STERM, _ATERM):
            return kind == _LOWER
        at += width
    return False


@inlined
def _behind_line_end(text, at, size, kind):
    """Behind the line end at ``at``; CR LF is one (SB3)."""
    if kind == _CR and at + 1 < size and text[at + 1] == 10:
        return at + 2
    return at + (3 if text[at] >= 0xE0 else 2 if text[at] >= 0x80 else 1)


@inlined
def _behind_terminator(text, at, size, kind, behind, breaks):
    """Where the sentence ends whose terminator is at ``at``.

    Returns:
        ``(whether it ends, where; or where to read on)``.
    """
    following, place, beyond = _next(text, behind, size, breaks)
    if kind == _ATERM:
        if following == _NUMERIC:
            return False, place  # SB6: 3.14
        if following == _UPPER and _previous(text, at, breaks) in (_UPPER, _LOWER):
            return False, place  # SB7: U.S.
    while following == _CLOSE:
        following, place, beyond = _next(text, beyond, size, breaks)
    while following == _SP:
        following, place, beyond = _next(text, beyond, size, breaks)
    if following in (_CR, _LF, _SEP):
        return True, _behind_line_end(text, place, size, following)  # SB9, SB10
    if following in (_SCONTINUE, _STERM, _ATERM):
        return False, place  # SB8a
    if kind == _ATERM and _small_letter_follows(text, place, size, breaks):
        return False, place  # SB8: etc. and so on
    return True, place  # SB11


@inlined
def count_sentences(text, size, breaks, bitmaps):
    """Counts the sentences of a padded text that hold a letter or a digit."""
    sentences = start = read = 0
    for block in range((size + 63) >> 6):
        base = block << 6
        # The line ends and terminators of ASCII, and all other characters: the table tells which of these are.
        places = bitmaps[DOT, block] | bitmaps[HIGH, block] | between(text, base, 33, 33) | between(text, base, 63, 63)
        places |= between(text, base, 10, 10) | between(text, base, 13, 13)
        while places:
            at = base + lowest(places)
            places &= places - _ONE
            if at < read:
                continue
            kind, width = _kind(text, at, breaks)
            if kind in (_CR, _LF, _SEP):
                ends, read = True, _behind_line_end(text, at, size, kind)
            elif kind in (_STERM, _ATERM):
                ends, read = _behind_terminator(text, at, size, kind, at + width, breaks)
            else:
                continue
            if ends:
                sentences += any_set(bitmaps[ALPHANUMERIC], start, read)
                start = read
    return sentences + any_set(bitmaps[ALPHANUMERIC], start, size)


@inlined
def sentence_end(text, at, size, breaks):
    """Where the sentence ends that goes on at ``at``: the begin of the next one, or the end of the text.

    Args:
        text: uint8: UTF-8, with bytes behind it that may be read (``bitmaps.PADDING``).
        at: Where to read on.
        size: Of the text.
        breaks: ``sentence_break_table()``.
    """
    while at < size:
        byte = text[at]
        if byte < 0x80 and byte != 10 and byte != 13 and byte != 33 and byte != 46 and byte != 63:
            at += 1
            continue
        kind, width = _kind(text, at, breaks)
        if kind in (_CR, _LF, _SEP):
            return _behind_line_end(text, at, size, kind)
        if kind in (_STERM, _ATERM):
            ends, at = _behind_terminator(text, at, size, kind, at + width, breaks)
            if ends:
                return min(at, size)
        else:
            at += width
    return size
