"""What cutting runs of neighbouring units takes away, unit by unit and text by text."""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import OFFSETS, kernel, positions


def covering(units: int, first: np.ndarray, span: int) -> np.ndarray:
    """The run that takes each unit away: of several the one that begins first.

    Args:
        units: Their number.
        first: int64, shape (runs,): the first unit of each run, all different, in any order.
        span: Units in each.

    Returns:
        int64, shape (units,): a position in ``first``, −1 for a unit that stays.
    """
    begins = np.full(units, -1, np.int64)
    begins[first] = np.arange(len(first))
    found = np.empty(units, np.int64)
    _cover(begins, span, found)
    return found


def lost_characters(row: np.ndarray, characters: np.ndarray, cut: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Code points of the units of each text, and of those that are taken away.

    Args:
        row: int64, shape (units,): the text of each.
        characters: int64, shape (units,).
        cut: bool, shape (units,): which are taken away.
        rows: Number of texts.

    Returns:
        ``(total, lost)``: int64, shape (rows,).
    """
    found = np.zeros((2, rows), np.int64)
    _sum(positions(row), positions(characters), cut, found)
    return found[0], found[1]


@kernel("void(int64[::1], int64, int64[::1])")
def _cover(begins, span, found):
    candidate = 0
    for unit in range(begins.shape[0]):
        candidate = max(candidate, unit - span + 1)
        while candidate < unit and begins[candidate] < 0:
            candidate += 1
        found[unit] = begins[candidate]


@kernel(f"void({OFFSETS}, {OFFSETS}, boolean[::1], int64[:, ::1])")
def _sum(row, characters, cut, found):
    for unit in range(row.shape[0]):
        found[0, row[unit]] += characters[unit]
        if cut[unit]:
            found[1, row[unit]] += characters[unit]
