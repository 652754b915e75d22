"""Which characters texts are made of, white space aside."""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel, positions
from curation_tasks.kernels.utf8 import decode, is_ascii_space, is_wide_space, width_of

CODE_POINTS = 0x110000


def add_character_counts(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, counts: np.ndarray) -> None:
    """Adds how often each character occurs.

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
    """How many characters of each text belong to a set.

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
