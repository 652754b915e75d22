"""Sets of strings as sorted 128-bit hashes in two arrays, small enough for millions and searched inside compiled loops.

A string is in the set when both of its hashes are: by chance that happens with a probability of n · 2⁻¹²⁸ a look-up, 10⁻³² for five
million strings. The upper bits of the first hash choose a bucket of a few neighbours, so a look-up reads one or two cache lines.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from curation_tasks.kernels.compilation import inlined

#: Signature of ``HashTable.arrays``.
TABLE = 'Tuple((Array(uint64, 1, "C", readonly=True), Array(uint64, 1, "C", readonly=True), Array(int64, 1, "C", readonly=True), int64))'
#: Where each of the two hashes begins: FNV-1a's offset, and the fraction of the golden ratio.
SEED, SECOND_SEED = np.uint64(0xCBF29CE484222325), np.uint64(0x9E3779B97F4A7C15)
_PRIME, _SECOND_PRIME = np.uint64(0x100000001B3), np.uint64(0xD6E8FEB86659FD93)


class HashTable(NamedTuple):
    """A set of hashes.

    Attributes:
        first: uint64, shape (n,), ascending.
        second: uint64, shape (n,): the other hash of each.
        starts: int64, shape (buckets + 1,): where each bucket begins.
        shift: First hash shifted by so many bits is its bucket.
    """

    first: np.ndarray
    second: np.ndarray
    starts: np.ndarray
    shift: int

    @classmethod
    def of(cls, hashes: np.ndarray) -> HashTable:
        """From hashes: uint64, shape (2, n), in any order, repeated or not."""
        return cls.sorted(np.unique(hashes, axis=1) if hashes.shape[1] < 2**16 else _distinct(hashes))

    @classmethod
    def sorted(cls, hashes: np.ndarray) -> HashTable:
        """From what ``save`` wrote: uint64, shape (2, n), ascending by the first row."""
        bits = max(1, int(hashes.shape[1]).bit_length() - 3)
        edges = np.arange(1, 2**bits, dtype=np.uint64) << np.uint64(64 - bits)
        starts = np.concatenate([[0], np.searchsorted(hashes[0], edges), [hashes.shape[1]]]).astype(np.int64)
        arrays = [np.ascontiguousarray(array) for array in (hashes[0], hashes[1], starts)]
        for array in arrays:
            array.flags.writeable = False
        return cls(*arrays, 64 - bits)

    def save(self, path: Path) -> None:
        """Writes the hashes so that ``load`` can map them; another process may do the same at once."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
            np.save(file, np.stack([self.first, self.second]))
        os.replace(file.name, path)

    @classmethod
    def load(cls, path: Path) -> HashTable:
        """Maps a file of ``save``: workers of one node share its pages."""
        return cls.sorted(np.load(path, mmap_mode="r"))


def _distinct(hashes: np.ndarray) -> np.ndarray:
    # Sorting by the first hash alone takes a fifth of the time; the order of those that share it does not matter.
    order = np.argsort(hashes[0])
    first, second = hashes[0][order], hashes[1][order]
    differs = np.concatenate([[True], (first[1:] != first[:-1]) | (second[1:] != second[:-1])])
    return np.stack([first[differs], second[differs]]) if not differs.all() else np.stack([first, second])


@inlined
def add(first, second, byte):
    """Both hashes with one more byte."""
    return (first ^ np.uint64(byte)) * _PRIME, (second ^ np.uint64(byte)) * _SECOND_PRIME


@inlined
def mixed(value):
    """The finalizer of MurmurHash3: every bit of the input moves every bit of the output."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@inlined
def holds(table, first, second):
    """Whether a pair of mixed hashes is in a table."""
    firsts, seconds, starts, shift = table
    bucket = np.int64(first >> np.uint64(shift))
    for k in range(starts[bucket], starts[bucket + 1]):  # noqa: SIM110 — Numba compiles no generator expressions
        if firsts[k] == first and seconds[k] == second:
            return True
    return False
