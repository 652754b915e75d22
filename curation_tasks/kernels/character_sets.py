"""Which characters texts are made of."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel, positions
from curation_tasks.kernels.utf8 import decode, is_ascii_space, is_wide_space, text_buffers, width_of

CODE_POINTS = 0x110000


def add_character_counts(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, counts: np.ndarray) -> None:
    """Adds how often each character but white space occurs.

    Args:
        data: uint8: UTF-8.
        starts: int64, shape (texts,): where each begins.
        ends: int64, shape (texts,): where it ends.
        counts: int64, shape (0x110000,): changed in place.
    """
    _add_counts(data, positions(starts), positions(ends), counts)


def member_counts(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray, sets: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many characters of each text belong to a set, white space aside.

    Args:
        data: uint8: UTF-8.
        starts: int64, shape (texts,): where each begins.
        ends: int64, shape (texts,): where it ends.
        sets: uint8, shape (sets, 0x110000): 1 for the members of each.
        chosen: int64, shape (texts,): the set of each text, −1 for none.

    Returns:
        Members and all characters, int64, shape (texts,); both 0 where no set is chosen.
    """
    found = np.zeros((2, len(starts)), np.int64)
    _count_members(data, positions(starts), positions(ends), sets, positions(chosen), found)
    return found[0], found[1]


def characters_of_set(texts: pa.Array, members: np.ndarray) -> np.ndarray:
    """How many characters of each text belong to a set.

    Args:
        texts: string or large_string, shape (rows,); a null counts as the empty text.
        members: uint8, shape (0x110000,), read-only: 1 for the members.

    Returns:
        int64, shape (rows,).
    """
    offsets, data = text_buffers(texts)
    found = np.zeros(len(texts), np.int64)
    _count_set(data, offsets, members, found)
    return found


@kernel(f"void({BYTES}, {OFFSETS}, {BYTES}, int64[::1])")
def _count_set(data, offsets, members, found):
    for row in range(offsets.shape[0] - 1):
        at, end, total = offsets[row], offsets[row + 1], np.int64(0)
        while at < end:
            byte = data[at]
            if byte < 128:
                total += members[byte]
                at += 1
            else:
                width = min(width_of(byte), end - at)
                total += members[decode(data, at, width, end)]
                at += width
        found[row] = total


@inlined
def _next_character(data, at, end):
    """``(code point, where the next one begins)``; the code point is −1 for white space."""
    byte = data[at]
    if byte < 128:
        return (np.int64(-1) if is_ascii_space(byte) else np.int64(byte)), at + 1
    width = min(width_of(byte), end - at)
    if is_wide_space(data, at, end):
        return np.int64(-1), at + width
    return np.int64(decode(data, at, width, end)), at + width


@kernel(f"void({BYTES}, {OFFSETS}, {OFFSETS}, int64[::1])")
def _add_counts(data, starts, ends, counts):
    for row in range(starts.shape[0]):
        at = starts[row]
        while at < ends[row]:
            code, at = _next_character(data, at, ends[row])
            if code >= 0:
                counts[code] += 1


@kernel(f"void({BYTES}, {OFFSETS}, {OFFSETS}, uint8[:, ::1], {OFFSETS}, int64[:, ::1])")
def _count_members(data, starts, ends, sets, chosen, found):
    for row in range(starts.shape[0]):
        if chosen[row] < 0:
            continue
        members, total = np.int64(0), np.int64(0)
        at = starts[row]
        while at < ends[row]:
            code, at = _next_character(data, at, ends[row])
            if code >= 0:
                members += sets[chosen[row], code]
                total += 1
        found[0, row], found[1, row] = members, total
