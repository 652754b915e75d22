"""In which script a text is written, by counting characters."""

from __future__ import annotations

from functools import cache

import numpy as np

from curation_tasks.kernels.compilation import BYTES, OFFSETS, kernel, positions
from curation_tasks.kernels.utf8 import decode, width_of

#: ISO 15924 codes of what is no script: common to several, inherited from the character before, unknown.
NO_SCRIPT = ("Zyyy", "Zinh", "Zzzz")
#: What a text without a letter is written in.
UNKNOWN_SCRIPT = "Zzzz"


@cache
def script_table() -> tuple[tuple[str, ...], np.ndarray]:
    """ISO 15924 codes of the scripts in alphabetical order, and uint8, shape (0x110000,): 1 + the script of each code point.

    0 stands for what belongs to no script.

    Source: property Script of the Unicode Character Database, as packed in fontTools.
    """
    from fontTools.unicodedata import Scripts

    names = tuple(sorted(set(Scripts.VALUES) - set(NO_SCRIPT)))
    numbers = {name: number for number, name in enumerate(names, 1)}
    lengths = np.diff([*Scripts.RANGES, 0x110000])
    table = np.repeat(np.array([numbers.get(name, 0) for name in Scripts.VALUES], np.uint8), lengths)
    table.flags.writeable = False
    return names, table


def dominant_scripts(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The script that most characters of a text belong to, of equally frequent ones the first in the alphabet of their codes.

    Digits, punctuation and other characters of no script are not counted.

    Args:
        data: uint8: UTF-8.
        starts: int64, shape (texts,): where each begins.
        ends: int64, shape (texts,): where it ends.

    Returns:
        Index into the names of ``script_table``, int64, −1 where no character has a script; and its share of the characters that
        have one, float64, 0 to 1. Both have shape (texts,).
    """
    names, table = script_table()
    found, counts = np.empty(len(starts), np.int64), np.empty((2, len(starts)), np.int64)
    _dominant(data, *(positions(array) for array in (starts, ends)), table, len(names), found, counts)
    return found, counts[0] / np.maximum(counts[1], 1)


@kernel(f"void({BYTES}, {OFFSETS}, {OFFSETS}, {BYTES}, int64, int64[::1], int64[:, ::1])")
def _dominant(data, starts, ends, table, scripts, found, counts):
    seen = np.empty(scripts + 1, np.int64)
    for row in range(starts.shape[0]):
        seen[:] = 0
        at, end = starts[row], ends[row]
        while at < end:
            byte = data[at]
            if byte < 128:
                seen[table[byte]] += 1
                at += 1
            else:
                width = min(width_of(byte), end - at)
                seen[table[decode(data, at, width, end)]] += 1
                at += width
        best, total = 1, np.int64(0)
        for script in range(1, scripts + 1):
            total += seen[script]
            if seen[script] > seen[best]:
                best = script
        found[row] = best - 1 if total > 0 else -1
        counts[0, row], counts[1, row] = seen[best], total
