"""Groups of equal hashes, each in the order of rank."""

from __future__ import annotations

import numpy as np


def grouped(high: np.ndarray, low: np.ndarray, order: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The groups of equal hashes. Both halves count: equal halves alone make no group.

    Args:
        high: uint64, shape (rows,).
        low: uint64, shape (rows,).
        order: int64, shape (rows,): positions by rank, best first; None when the rows are in that order.

    Returns:
        ``(best, members, group)``: int64: the position of the best row of each group, shape (groups,), by hash; positions of
        all rows, shape (rows,), group by group; and the group of each of these.
    """
    by_rank = (high, low) if order is None else (high[order], low[order])
    members = np.argsort(by_rank[0], kind="stable")  # equal hashes stay in the order of their rank
    sorted_high, sorted_low = (values[members] for values in by_rank)
    if np.any((sorted_high[1:] == sorted_high[:-1]) & (sorted_low[1:] < sorted_low[:-1])):
        members = np.lexsort(by_rank[::-1])  # equal upper halves of different hashes: as good as never
        sorted_high, sorted_low = (values[members] for values in by_rank)
    first = np.ones(len(members), bool)
    first[1:] = (sorted_high[1:] != sorted_high[:-1]) | (sorted_low[1:] != sorted_low[:-1])
    members = members if order is None else order[members]
    return members[first], members, np.cumsum(first) - 1
