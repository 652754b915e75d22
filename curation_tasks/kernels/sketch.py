"""Fast similarity sketches: K numbers of a set of shingles, of which two sets have as many equal as they have in common.

    key[0 … K) = MAX;  round = 0
    repeat  for each shingle x:  y = x in round 0, else mix(x + round * K1)
                                 bin = the highest bits of y in the first K rounds, then round − K
                                 key[bin] = min(key[bin], round << 32 | lowest 32 bits of y)
            round += 1
    until no key is MAX

    s[k] = highest 32 bits of mix(key[k])      v[k] = lowest 8 bits of s[k]
    band[i] = fold of  h = mix(h * K1 + s[j])  over the band's rows j, from h = i + 1

A bin that was set keeps its key in later rounds. So the result is a property of the set: neither the order nor the
repetition of shingles, nor the number of threads, can change it. Half the variance of K independent hashes on short texts,
and a cost that depends little on K.

Source:
    Dahlgaard, Knudsen, Thorup: Fast similarity sketching, FOCS 2017 (https://arxiv.org/abs/1704.04370).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.normal_form import PADDING, ascii_table
from curation_tasks.kernels.shingles import K1, SHINGLING, Shingling, longest_text, mix, shingles_of
from curation_tasks.kernels.utf8 import text_buffers

_MAX, _LOW = np.uint64(2**64 - 1), np.uint64(2**32 - 1)
_S32 = np.uint64(32)


@dataclass(frozen=True)
class Sketches:
    """Of a batch of texts.

    Attributes:
        shingles: int64, shape (rows,): number of shingles, repeated ones included; 0 where a text has no unit.
        fingerprints: uint64, shape (2, rows): equal for equal multisets of shingles.
        bytes: uint8, shape (rows, K): the verification sketch.
        bands: uint64, shape (bands, rows).
    """

    shingles: np.ndarray
    fingerprints: np.ndarray
    bytes: np.ndarray
    bands: np.ndarray


def sketches(texts: pa.Array, shingling: Shingling, size: int, bands: int, rows: int) -> Sketches:
    """Sketches of texts. All values of a text without shingles are 0.

    Args:
        texts: string or large_string, shape (rows,); a null is an empty text.
        shingling: What a text is taken to be.
        size: K, a power of two, at least ``bands * rows``.
        bands: Number of band hashes.
        rows: Numbers that a band hash is made of.
    """
    if size & (size - 1) or bands * rows > size:
        raise ValueError(f"a sketch of {size} numbers for {bands} bands of {rows}: want a power of two, at least {bands * rows}")
    offsets, data = text_buffers(texts)
    count = len(texts)
    result = Sketches(
        np.zeros(count, np.int64), np.zeros((2, count), np.uint64), np.zeros((count, size), np.uint8), np.zeros((bands, count), np.uint64)
    )
    _sketch(data, offsets, *shingling.arguments(), rows, result.shingles, result.fingerprints, result.bytes, result.bands)
    return result


@inlined
def _sketch_of(shingles, count, shift, keys):
    """Fills the keys from the shingles of one text, of which there is at least one."""
    size = keys.shape[0]
    for k in range(size):
        keys[k] = _MAX
    empty = size
    for k in range(count):
        bin_ = np.int64(shingles[k] >> shift)
        value = shingles[k] & _LOW
        if value < keys[bin_]:
            empty -= keys[bin_] == _MAX
            keys[bin_] = value
    step = 1
    while empty > 0:
        offset, high = np.uint64(step) * K1, np.uint64(step) << _S32
        if step < size:
            for k in range(count):
                y = mix(shingles[k] + offset)
                bin_ = np.int64(y >> shift)
                value = high | (y & _LOW)
                if value < keys[bin_]:
                    empty -= keys[bin_] == _MAX
                    keys[bin_] = value
        elif keys[step - size] == _MAX:
            for k in range(count):
                keys[step - size] = min(keys[step - size], high | (mix(shingles[k] + offset) & _LOW))
            empty -= 1
        step += 1


@kernel(f"void({BYTES}, {OFFSETS}, {SHINGLING}, int64, int64[::1], uint64[:, ::1], uint8[:, ::1], uint64[:, ::1])")
def _sketch(data, offsets, table, form, width, power, seed, rows, counts, fingerprints, sketch_bytes, bands):
    size = sketch_bytes.shape[1]
    shift = np.uint64(64)
    while (1 << (64 - np.int64(shift))) < size:
        shift -= np.uint64(1)
    longest = longest_text(offsets)
    ascii_bytes = ascii_table(table)
    text, units, shingles = np.empty(2 * longest + PADDING, np.uint8), np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.uint64)
    keys, numbers = np.empty(size, np.uint64), np.empty(size, np.uint64)
    for row in range(offsets.shape[0] - 1):
        count = shingles_of(data, offsets[row], offsets[row + 1], table, ascii_bytes, form, width, power, seed, text, units, shingles)
        counts[row] = count
        if count == 0:
            continue
        first = second = np.uint64(0)
        for k in range(count):
            first += mix(shingles[k])
            second += mix(shingles[k] ^ K1)
        fingerprints[0, row], fingerprints[1, row] = first, second
        _sketch_of(shingles, count, shift, keys)
        for k in range(size):
            numbers[k] = mix(keys[k]) >> _S32
            sketch_bytes[row, k] = np.uint8(numbers[k])
        for band in range(bands.shape[0]):
            value = np.uint64(band + 1)
            for k in range(band * rows, (band + 1) * rows):
                value = mix(value * K1 + numbers[k])
            bands[band, row] = value
