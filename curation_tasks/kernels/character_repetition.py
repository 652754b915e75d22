"""How much of a text is made of the runs of ten characters that occur most often."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.hashing import mixed, power_of_two
from curation_tasks.kernels.utf8 import decode, text_buffers, width_of

#: Characters of a run (Data-Juicer's `rep_len`).
RUN = 10

_FREE = np.uint64(0)
#: An odd number whose bits look like chance: the digits of a run's hash are written in this base.
_BASE = 0x9E3779B97F4A7C15
_BASE_TO_THE_RUN = np.uint64(pow(_BASE, RUN, 2**64))
_BASE = np.uint64(_BASE)


def character_runs(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Counts runs of ten characters, and among them those of the most frequent.

    The most frequent are the first √d of d different runs, in the order of their frequency, and of these only such as occur more
    than once. Memory: 40 bytes a byte of the longest text.

    Args:
        texts: string or large_string, shape (rows,); a null counts as the empty text.

    Returns:
        ``(places of all runs, places of the most frequent)``, int64, shape (rows,): one place for each character but the last nine.

    Source:
        The measure of the ROOTS corpus (arXiv:2303.03915, section 3.1.2), in Data-Juicer the CharacterRepetitionFilter.
    """
    offsets, data = text_buffers(texts)
    found = np.zeros((2, len(texts)), np.int64)
    _count_runs(data, offsets, found)
    return found[0], found[1]


@inlined
def _meet(key, mask, keys, times):
    """Counts one more run of this hash; returns how often it has been met."""
    place = np.int64(key & mask)
    while keys[place] != _FREE and keys[place] != key:
        place = (place + 1) & np.int64(mask)
    keys[place] = key
    times[place] += 1
    return times[place]


@inlined
def _most_frequent(different, times, frequencies):
    """Places of the first √``different`` runs, the most frequent first, of those that were met more than once."""
    repeated = 0
    for place in range(times.shape[0]):
        frequencies[repeated] = times[place]
        repeated += times[place] > 1
    frequencies[:repeated].sort()
    chosen = min(np.int64(math.sqrt(different)), repeated)
    return frequencies[repeated - chosen : repeated].sum()


@kernel(f"void({BYTES}, {OFFSETS}, int64[:, ::1])")
def _count_runs(data, offsets, found):
    longest = 0
    for row in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    places = power_of_two(2 * longest + 2)
    all_keys, all_times = np.empty(places, np.uint64), np.empty(places, np.int32)
    frequencies = np.empty(places // 2 + 2, np.int32)
    last = np.zeros(RUN, np.uint64)  # the last ten characters, the oldest at ``number % RUN``
    for row in range(offsets.shape[0] - 1):
        at, end = offsets[row], offsets[row + 1]
        size = power_of_two(2 * (end - at) + 2)
        mask, keys, times = np.uint64(size - 1), all_keys[:size], all_times[:size]
        keys[:], times[:] = _FREE, 0
        last[:] = 0
        number = different = 0
        digits = np.uint64(0)
        while at < end:
            width = min(width_of(data[at]), end - at)
            # One more, so that runs which begin with the character 0 differ too.
            code = np.uint64(decode(data, at, width, end) + 1)
            at += width
            oldest = number % RUN
            digits = digits * _BASE + code - last[oldest] * _BASE_TO_THE_RUN
            last[oldest] = code
            number += 1
            if number >= RUN:
                different += _meet(max(mixed(digits), np.uint64(1)), mask, keys, times) == 1
        found[0, row] = max(number - RUN + 1, 0)
        found[1, row] = _most_frequent(different, times, frequencies)
