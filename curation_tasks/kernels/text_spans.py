"""Parts of texts as spans ``(start, end)`` of the buffer that holds them: nothing is copied."""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel, positions
from curation_tasks.kernels.utf8 import is_ascii_space


def windows(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, characters: int, *, middle: bool) -> tuple[np.ndarray, np.ndarray]:
    """At most so many characters of each text, from its middle or its begin.

    Args:
        data: uint8: UTF-8.
        starts: int64, shape (texts,): where each begins.
        ends: int64, shape (texts,): where it ends.
        characters: Code points wanted, at least 1; a shorter text is taken whole.
        middle: From the middle (as many characters before as behind, the odd one behind), else from the begin.

    Returns:
        Starts and ends, int64, shape (texts,).
    """
    found = np.empty((2, len(starts)), np.int64)
    _windows(data, positions(starts), positions(ends), characters, middle, found)
    return found[0], found[1]


def paragraphs(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lines that are not blank, without ASCII white space around them.

    Args:
        data: uint8: UTF-8.
        starts: int64, shape (texts,): where each begins.
        ends: int64, shape (texts,): where it ends.

    Returns:
        ``(rows, starts, ends)``, int64, shape (paragraphs,): the text of each, and its place.
    """
    starts, ends = positions(starts), positions(ends)
    found = np.empty((3, _paragraphs(data, starts, ends, np.empty((3, 0), np.int64))), np.int64)
    _paragraphs(data, starts, ends, found)
    return found[0], found[1], found[2]


def character_counts(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Code points of each span; int64, shape (spans,)."""
    found = np.empty(len(starts), np.int64)
    _character_counts(data, positions(starts), positions(ends), found)
    return found


@inlined
def _begins_character(byte):
    return (byte & 0xC0) != 0x80


@inlined
def _characters(data, start, end):
    count = 0
    for at in range(start, end):
        count += _begins_character(data[at])
    return count


@inlined
def _after_characters(data, at, end, characters):
    """Where the text goes on after so many characters."""
    while at < end and characters > 0:
        at += 1
        while at < end and not _begins_character(data[at]):
            at += 1
        characters -= 1
    return at


@kernel(f"void({BYTES}, {OFFSETS}, {OFFSETS}, int64, boolean, int64[:, ::1])")
def _windows(data, starts, ends, characters, middle, found):
    for row in range(starts.shape[0]):
        start, end = starts[row], ends[row]
        if end - start > characters:
            if middle:
                beyond = _characters(data, start, end) - characters
                start = _after_characters(data, start, end, max(beyond, 0) // 2)
            end = _after_characters(data, start, end, characters)
        found[0, row], found[1, row] = start, end


@kernel(f"int64({BYTES}, {OFFSETS}, {OFFSETS}, int64[:, ::1])")
def _paragraphs(data, starts, ends, found):
    """Writes as many as ``found`` has room for and returns how many there are."""
    count = 0
    for row in range(starts.shape[0]):
        at = starts[row]
        while at < ends[row]:
            stop = at
            while stop < ends[row] and data[stop] != 10:
                stop += 1
            first, last = at, stop
            while first < last and is_ascii_space(data[first]):
                first += 1
            while last > first and is_ascii_space(data[last - 1]):
                last -= 1
            if first < last:
                if count < found.shape[1]:
                    found[0, count], found[1, count], found[2, count] = row, first, last
                count += 1
            at = stop + 1
    return count


@kernel(f"void({BYTES}, {OFFSETS}, {OFFSETS}, int64[::1])")
def _character_counts(data, starts, ends, found):
    for row in range(starts.shape[0]):
        found[row] = _characters(data, starts[row], ends[row])
