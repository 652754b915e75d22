"""Counts of a text, all in one pass over its bytes: what the signals of ``filters.quality`` are formulas of.

A *word* is a run of characters between white space (``str.split``). An *n-gram* is n words in a row, whatever white space
stands between them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.utf8 import character_before, decode, is_ascii_space, is_wide_space, text_buffers, width_of

#: The columns of the matrix of counts.
#:
#: - ``words``, ``characters``: code points, white space included.
#: - ``complete_ending``: 1 when the text ends as a sentence does, see ``ends_complete``.
#: - ``top_{n}_gram_characters``: characters that lie in occurrences of the most frequent n-gram, the white space inside
#:   them included, each counted once where occurrences overlap; 0 when no n-gram occurs twice. Of equally frequent ones
#:   the first in the text counts.
COUNTS = ("words", "characters", "complete_ending", "top_2_gram_characters", "top_3_gram_characters", "top_4_gram_characters")

#: The longest n-gram whose repetition is counted.
LONGEST_GRAM = 4

#: Characters that end a sentence.
TERMINATORS = ".!?\u2026\u203c\u2047\u2048\u2049\u3002\uff01\uff1f\uff0e\uff61\u061f\u06d4\u0964\u0965\u1362\u17d4\u104b\u0589"
#: Marks that end direct speech: enough by themselves, as in the TinyStories tutorial, which accepts `"` and U+201D.
SPEECH_MARKS = '"\u201d\u00bb\u300d\u300f'
#: Marks that may stand behind a terminator. An apostrophe or a bracket alone ends nothing.
CLOSERS = SPEECH_MARKS + "'\u2019\u201c\u203a)]}\uff09\u3011*_"

_TERMINATORS, _SPEECH_MARKS, _CLOSERS = (
    np.array([ord(mark) for mark in marks], np.int64) for marks in (TERMINATORS, SPEECH_MARKS, CLOSERS)
)

_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FREE = np.uint64(0)


def text_counts(texts: pa.Array, *, longest_gram: int = LONGEST_GRAM) -> dict[str, np.ndarray]:
    """Counts of each text.

    Args:
        texts: string or large_string, shape (rows,); a null counts as the empty text.
        longest_gram: Repetition is counted for n-grams from 2 up to here; 0 leaves it out and saves half of the time.

    Returns:
        The names of ``COUNTS`` → int64, shape (rows,).
    """
    offsets, data = text_buffers(texts)
    matrix = np.zeros((len(texts), len(COUNTS)), np.int64)
    _count(data, offsets, longest_gram, matrix)
    return {name: matrix[:, column] for column, name in enumerate(COUNTS)}


@inlined
def _contains(marks, code):
    for k in range(marks.shape[0]):  # noqa: SIM110 — Numba compiles no generator expressions
        if marks[k] == code:
            return True
    return False


@inlined
def _character_at_end(data, start, end):
    at = character_before(data, start, end)
    return at, decode(data, at, end - at, end)


@inlined
def ends_complete(data, start, end):
    """Whether the text, white space at its end aside, ends with a terminator, a speech mark, or closers behind a terminator."""
    code = np.int64(0)
    at = end
    while at > start:
        at, code = _character_at_end(data, start, end)
        if not (is_ascii_space(data[at]) or is_wide_space(data, at, end)):
            break
        end = at
    if end == start:
        return False
    if _contains(_SPEECH_MARKS, code):
        return True
    while _contains(_CLOSERS, code) and at > start:
        end = at
        at, code = _character_at_end(data, start, end)
    return _contains(_TERMINATORS, code)


@inlined
def _mixed(value):
    """The finalizer of MurmurHash3: every bit of the input moves every bit of the output."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@inlined
def _words(data, start, end, hashes, begins, finishes):
    """Finds the words of a text: their hash (FNV-1a) and the characters at which they begin and end.

    Returns:
        ``(words, characters)``.
    """
    words = characters = 0
    inside = False
    value = _FNV_OFFSET
    at = start
    while at < end:
        byte = data[at]
        if byte < 128:
            width, space = 1, is_ascii_space(byte)
        else:
            width, space = min(width_of(byte), end - at), is_wide_space(data, at, end)
        if space:
            if inside:
                hashes[words], finishes[words] = _mixed(value), characters
                words += 1
                inside = False
        else:
            if not inside:
                inside, value, begins[words] = True, _FNV_OFFSET, characters
            for k in range(width):
                value = (value ^ np.uint64(data[at + k])) * _FNV_PRIME
        characters += 1
        at += width
    if inside:
        hashes[words], finishes[words] = _mixed(value), characters
        words += 1
    return words, characters


@inlined
def _slot(keys, mask, key):
    """Where a key is, or the free place where it belongs."""
    slot = np.int64(key & np.uint64(mask))
    while keys[slot] != _FREE and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@inlined
def _covered(chosen, slots, positions, candidates, n, begins, finishes):
    """Characters in the occurrences of the n-gram whose slot is ``chosen``, overlaps counted once."""
    covered = until = 0
    for k in range(candidates):
        if slots[k] == chosen:
            finish = np.int64(finishes[positions[k] + n - 1])
            covered += finish - max(np.int64(begins[positions[k]]), until)
            until = finish
    return covered


@inlined
def _top_grams(words, longest, hashes, begins, finishes, positions, gram_hashes, slots, keys, frequencies, counts):
    """Fills ``counts[n - 2]`` with the characters covered by the most frequent n-gram, for n = 2 … longest.

    An n-gram can repeat only where the (n−1)-gram that it begins with repeats. So after the pairs, few positions are left.
    """
    candidates = words
    for word in range(words):
        positions[word], gram_hashes[word] = word, hashes[word]
    for n in range(2, longest + 1):
        while candidates > 0 and positions[candidates - 1] + n > words:
            candidates -= 1
        size = 8
        while size < 2 * candidates:
            size *= 2
        keys[:size] = _FREE
        frequencies[:size] = 0
        most = 0
        for k in range(candidates):
            key = _mixed(gram_hashes[k] * _MULTIPLIER + hashes[positions[k] + n - 1]) | np.uint64(1)
            slot = _slot(keys, size - 1, key)
            keys[slot] = key
            frequencies[slot] += 1
            most = max(most, frequencies[slot])
            gram_hashes[k], slots[k] = key, slot
        if most < 2:
            return
        first = 0
        while frequencies[slots[first]] != most:
            first += 1
        counts[n - 2] = _covered(slots[first], slots, positions, candidates, n, begins, finishes)
        left = 0
        for k in range(candidates):
            if frequencies[slots[k]] > 1:
                positions[left], gram_hashes[left] = positions[k], gram_hashes[k]
                left += 1
        candidates = left


@kernel(f"void({BYTES}, {OFFSETS}, int64, int64[:, ::1])")
def _count(data, offsets, longest, matrix):
    longest_row = 0
    for row in range(offsets.shape[0] - 1):
        longest_row = max(longest_row, offsets[row + 1] - offsets[row])
    # A word and the space behind it take two bytes. Memory that is not written to is not taken, so the bound costs nothing.
    most_words = longest_row // 2 + 1
    table = 8
    while table < 2 * most_words:
        table *= 2
    hashes, gram_hashes = np.empty(most_words, np.uint64), np.empty(most_words, np.uint64)
    begins, finishes = np.empty(most_words, np.int32), np.empty(most_words, np.int32)
    positions, slots = np.empty(most_words, np.int32), np.empty(most_words, np.int32)
    keys, frequencies = np.empty(table, np.uint64), np.empty(table, np.int32)

    for row in range(offsets.shape[0] - 1):
        start, end = offsets[row], offsets[row + 1]
        counts = matrix[row]
        words, characters = _words(data, start, end, hashes, begins, finishes)
        counts[0], counts[1], counts[2] = words, characters, ends_complete(data, start, end)
        if longest >= 2:
            _top_grams(words, longest, hashes, begins, finishes, positions, gram_hashes, slots, keys, frequencies, counts[3:])
