"""Puts other texts in the place of some rows, once or again and again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Overlay:
    """Texts of which some rows change, some of them many times: what is written is kept aside until all of it is put in place.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
    """

    def __init__(self, texts: pa.Array):
        self._arrays = [texts]
        # The array that holds each row now, and its place there.
        self._array_of = np.zeros(len(texts), np.int64)
        self._place_of = np.arange(len(texts))

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, pa.Array]:
        """The rows, int64, in another order, and their texts in that order."""
        if not len(rows):
            return rows, self._arrays[0].slice(0, 0)
        rows = rows[np.argsort(self._array_of[rows], kind="stable")]
        numbers, begins = np.unique(self._array_of[rows], return_index=True)
        groups = np.split(rows, begins[1:])
        parts = [self._arrays[number].take(pa.array(self._place_of[group])) for number, group in zip(numbers, groups, strict=True)]
        return rows, pa.concat_arrays(parts)

    def holding(self, wanted: str, rows: np.ndarray) -> tuple[np.ndarray, pa.Array]:
        """Those of the rows whose texts hold a string, and their texts."""
        rows, texts = self.take(rows)
        holds = pc.match_substring(texts, wanted)
        return rows[holds.to_numpy(zero_copy_only=False)], texts.filter(holds)

    def put(self, rows: np.ndarray, written: pa.Array) -> None:
        """Sets the texts of rows, int64, each of them once; of the same type, none of them null."""
        if len(rows):
            self._array_of[rows], self._place_of[rows] = len(self._arrays), np.arange(len(rows))
            self._arrays.append(written)

    @property
    def changed(self) -> int:
        """How many rows were put."""
        return int(np.count_nonzero(self._array_of))

    def whole(self) -> pa.Array:
        """All rows as they are now: the very array that was given when none was put."""
        rows = np.flatnonzero(self._array_of)
        if not len(rows):
            return self._arrays[0]
        rows, written = self.take(rows)
        order = np.argsort(rows)
        return with_rows(self._arrays[0], rows[order], written.take(pa.array(order)))


def with_rows(texts: pa.Array, rows: np.ndarray, written: pa.Array) -> pa.Array:
    """The texts with others in some rows.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        rows: int64, ascending.
        written: For each of ``rows``, of the same type.
    """
    mask = np.zeros(len(texts), bool)
    mask[rows] = True
    return pc.replace_with_mask(texts, pa.array(mask), written)
