"""Shingles: 64-bit hashes of neighbouring words or characters of a text, after a declared normalisation.

All arithmetic is on uint64 modulo 2⁶⁴, so that every machine, and the twin for GPUs, gives the same bits:

    mix(h):        h ^= h >> 32;  h *= K2;  h ^= h >> 29;  h *= K3;  h ^= h >> 32
    word_hash(w):  h = length * K1;  for each 8 bytes, little-endian:  h = (h ^ bytes) * K2;  h ^= h >> 29
                   for the 1 … 7 bytes that remain, padded with zeros: h = (h ^ bytes) * K2;  then mix(h)
    unit:          word_hash of a word, or the UTF-8 bytes of a character as one big-endian number
    shingle:       mix(Σ unit[i] * K1^(width − 1 − i) ^ mix(seed)), over each window of ``width`` units

A text of fewer units than the width has one shingle over all of them; one without any unit has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.machine_words import load64, trailing_zeros
from curation_tasks.kernels.normal_form import PADDING, TABLE, ascii_table, character_table, normal_form
from curation_tasks.kernels.utf8 import text_buffers, width_of

K1, K2, K3 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S29, _S32 = np.uint64(29), np.uint64(32)

CHARACTERS, CHARACTERS_COLLAPSED, WORDS = 0, 1, 2
_SPACES, _ONES, _HIGH_BITS = np.uint64(0x2020202020202020), np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_NONE = np.uint64(0)


@dataclass(frozen=True)
class Shingling:
    """What a text is taken to be. Two sets of shingles can be compared only if all of this is equal.

    Attributes:
        unit: ``words`` or ``characters``.
        width: Units in a shingle.
        lower: Letter case does not count (Unicode simple lower-casing).
        whitespace: The kind and number of white space between characters does not count (words never see it).
        words: ``alnum``: runs of letters, digits, marks as Python's ``\\w`` has them; ``whitespace``: runs between white space.
        seed: Makes another family of hashes.
    """

    unit: Literal["words", "characters"] = "words"
    width: int = 5
    lower: bool = True
    whitespace: bool = True
    words: Literal["alnum", "whitespace"] = "alnum"
    seed: int = 0

    @property
    def form(self) -> int:
        if self.unit == "words":
            return WORDS
        return CHARACTERS_COLLAPSED if self.whitespace else CHARACTERS

    @property
    def table(self) -> np.ndarray:
        """See ``character_table``."""
        separators = "none" if self.form == CHARACTERS else self.words if self.unit == "words" else "whitespace"
        return character_table(self.lower, separators)

    @property
    def power(self) -> np.uint64:
        """K1^width: what the oldest unit of a rolling window has been multiplied by."""
        return np.uint64(pow(int(K1), self.width, 1 << 64))

    @property
    def mixed_seed(self) -> np.uint64:
        return np.uint64(_mixed(np.uint64(self.seed)))

    def arguments(self) -> tuple:
        """What the kernels take: ``(table, form, width, power, mixed_seed)``."""
        return self.table, self.form, self.width, self.power, self.mixed_seed


#: Signature of what ``Shingling.arguments`` gives.
SHINGLING = f"{TABLE}, int64, int64, uint64, uint64"


def normal_texts(texts: pa.Array, shingling: Shingling) -> tuple[np.ndarray, np.ndarray]:
    """Texts as they are compared: in lower case, and separators as spaces.

    Args:
        texts: string or large_string, shape (rows,); a null is an empty text.
        shingling: What a text is taken to be.

    Returns:
        ``(offsets, data)``: int64, shape (rows + 1,), and uint8.
    """
    offsets, data = text_buffers(texts)
    normal = np.empty(2 * int(offsets[-1] - offsets[0]) + PADDING, np.uint8)
    bounds = np.zeros(len(offsets), np.int64)
    _normalize(data, offsets, shingling.table, shingling.form, normal, bounds)
    return bounds, normal[: bounds[-1]]


def distinct_shingles(texts: pa.Array, shingling: Shingling) -> tuple[np.ndarray, np.ndarray]:
    """The set of shingles of each text.

    Args:
        texts: string or large_string, shape (rows,); a null is an empty text.
        shingling: What a text is taken to be.

    Returns:
        ``(offsets, shingles)``: int64, shape (rows + 1,), and uint64: row i has ``shingles[offsets[i]:offsets[i + 1]]``, ascending.
    """
    offsets, data = text_buffers(texts)
    # No text has more units than bytes.
    shingles = np.empty(int(offsets[-1] - offsets[0]), np.uint64)
    bounds = np.zeros(len(offsets), np.int64)
    _shingle(data, offsets, *shingling.arguments(), shingles, bounds)
    for start, end in pairwise(bounds.tolist()):
        shingles[start:end].sort()  # NumPy's sort is ten times as fast as one compiled by Numba
    _drop_repeated(shingles, bounds)
    return bounds, shingles[: bounds[-1]].copy()


def jaccard(offsets: np.ndarray, shingles: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Exact Jaccard similarity of pairs of sets of ``distinct_shingles``.

    Args:
        offsets: int64, shape (sets + 1,).
        shingles: uint64.
        left: int64, shape (pairs,): first set of each pair.
        right: int64, shape (pairs,): second.

    Returns:
        float64, shape (pairs,): common ÷ union, correctly rounded; 1 for two empty sets.
    """
    found = np.empty(len(left), np.float64)
    _jaccard(offsets, shingles, left.astype(np.int64), right.astype(np.int64), found)
    return found


# --- hashes -------------------------------------------------------------------------------------------------------------


@inlined
def mix(value):
    """A bijection in which every bit of the input moves every bit of the output; 0 stays 0."""
    value ^= value >> _S32
    value *= K2
    value ^= value >> _S29
    value *= K3
    return value ^ (value >> _S32)


@kernel("uint64(uint64)")
def _mixed(value):
    return mix(value)


@inlined
def _low_bytes(value, count):
    """The lowest 1 … 7 bytes."""
    return value & ((np.uint64(1) << np.uint64(8 * count)) - np.uint64(1))


@inlined
def _word_hash(data, start, end):
    length = end - start
    value = np.uint64(length) * K1
    while end - start >= 8:
        value = (value ^ load64(data, start)) * K2
        value ^= value >> _S29
        start += 8
    if start < end:
        value = (value ^ _low_bytes(load64(data, start), end - start)) * K2
    return mix(value)


@inlined
def _word_end(data, at):
    """The first space from ``at`` on; the padding has one."""
    while True:
        block = load64(data, at) ^ _SPACES
        found = (block - _ONES) & ~block & _HIGH_BITS
        if found != _NONE:
            return at + np.int64(trailing_zeros(found) >> np.uint64(3))
        at += 8


@inlined
def _word_start(data, at, end):
    """The first byte from ``at`` on that is no space, or ``end`` or beyond."""
    while at < end:
        block = load64(data, at) ^ _SPACES
        if block != _NONE:
            return at + np.int64(trailing_zeros(block) >> np.uint64(3))
        at += 8
    return end


@inlined
def word_shingles(text, length, width, power, seed, units, shingles):
    """Shingles of words between spaces. ``units`` is room for the hashes of the words.

    Returns:
        Their number.
    """
    words = count = 0
    value = np.uint64(0)
    at = _word_start(text, 0, length)
    while at < length:
        end = _word_end(text, at)
        unit = _word_hash(text, at, end)
        units[words] = unit
        value = value * K1 + unit
        if words >= width:
            value -= units[words - width] * power
        words += 1
        if words >= width:
            shingles[count] = mix(value ^ seed)
            count += 1
        at = _word_start(text, end + 1, length)
    if count == 0 and words > 0:
        shingles[0] = mix(value ^ seed)
        count = 1
    return count


@inlined
def _character(text, at):
    """The bytes of a character as one big-endian number, and the place behind it."""
    width = width_of(text[at])
    code = np.uint64(text[at])
    for k in range(1, width):
        code = (code << np.uint64(8)) | np.uint64(text[at + k])
    return code, at + width


@inlined
def character_shingles(text, length, width, power, seed, shingles):
    """Shingles of characters.

    Returns:
        Their number.
    """
    characters = count = 0
    value = np.uint64(0)
    at = oldest = 0
    while at < length:
        code, at = _character(text, at)
        if characters >= width:
            old, oldest = _character(text, oldest)
            code -= old * power
        value = value * K1 + code
        characters += 1
        if characters >= width:
            shingles[count] = mix(value ^ seed)
            count += 1
    if count == 0 and characters > 0:
        shingles[0] = mix(value ^ seed)
        count = 1
    return count


@inlined
def longest_text(offsets):
    longest = 0
    for row in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return longest


@inlined
def shingles_of(data, start, end, table, ascii_bytes, form, width, power, seed, text, units, shingles):
    """Shingles of a text, in their order, each occurrence.

    Returns:
        Their number.
    """
    length = normal_form(data, start, end, table, ascii_bytes, form == CHARACTERS_COLLAPSED, text)
    if form == WORDS:
        return word_shingles(text, length, width, power, seed, units, shingles)
    return character_shingles(text, length, width, power, seed, shingles)


@kernel(f"void({BYTES}, {OFFSETS}, {TABLE}, int64, uint8[::1], int64[::1])")
def _normalize(data, offsets, table, form, normal, bounds):
    ascii_bytes = ascii_table(table)
    to = 0
    for row in range(offsets.shape[0] - 1):
        to += normal_form(data, offsets[row], offsets[row + 1], table, ascii_bytes, form == CHARACTERS_COLLAPSED, normal[to:])
        bounds[row + 1] = to


@kernel(f"void({BYTES}, {OFFSETS}, {SHINGLING}, uint64[::1], int64[::1])")
def _shingle(data, offsets, table, form, width, power, seed, shingles, bounds):
    longest = longest_text(offsets)
    ascii_bytes = ascii_table(table)
    text, units = np.empty(2 * longest + PADDING, np.uint8), np.empty(longest + 1, np.uint64)
    to = 0
    for row in range(offsets.shape[0] - 1):
        start, end = offsets[row], offsets[row + 1]
        to += shingles_of(data, start, end, table, ascii_bytes, form, width, power, seed, text, units, shingles[to:])
        bounds[row + 1] = to


@kernel("void(uint64[::1], int64[::1])")
def _drop_repeated(shingles, bounds):
    """Keeps one of equal neighbours within each row, in place."""
    to = start = 0
    for row in range(bounds.shape[0] - 1):
        end = bounds[row + 1]
        for k in range(start, end):
            if k == start or shingles[k] != shingles[to - 1]:
                shingles[to] = shingles[k]
                to += 1
        start = end
        bounds[row + 1] = to


@kernel("void(int64[::1], uint64[::1], int64[::1], int64[::1], float64[::1])")
def _jaccard(offsets, shingles, left, right, found):
    for pair in range(left.shape[0]):
        a, a_end = offsets[left[pair]], offsets[left[pair] + 1]
        b, b_end = offsets[right[pair]], offsets[right[pair] + 1]
        union = (a_end - a) + (b_end - b)
        common = 0
        while a < a_end and b < b_end:
            x, y = shingles[a], shingles[b]
            common += x == y
            a += x <= y
            b += y <= x
        union -= common
        found[pair] = common / union if union > 0 else 1.0


def mixed(values: np.ndarray) -> np.ndarray:
    """``mix`` of each value: uint64, same shape."""
    values = values ^ (values >> _S32)
    values = values * K2
    values = values ^ (values >> _S29)
    values = values * K3
    return values ^ (values >> _S32)
