"""Pairs of documents cut into chunks that fit a task."""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import kernel


def cut_pairs(later: np.ndarray, earlier: np.ndarray, chosen: np.ndarray, cost: np.ndarray, first: int, limit: int) -> np.ndarray:
    """Cuts pairs into chunks whose documents together cost no more than a limit, unless a single pair does.

    Args:
        later: int64, shape (pairs,): positions in ``cost``, ascending.
        earlier: int64, shape (pairs,): positions, of which ``first`` is the first in ``cost``; a smaller one costs as much as
            its partner.
        chosen: bool, shape (pairs,): which pairs are to be cut.
        cost: int64, shape (documents,).
        first: Offset of ``earlier``.
        limit: Of the sum of costs of the distinct documents of a chunk.

    Returns:
        int32, shape (pairs,): chunk of each pair, ascending from 0; −1 where it is not chosen.
    """
    chunks = np.full(len(later), -1, np.int32)
    _cut(later, earlier, chosen, cost, first, limit, chunks)
    return chunks


@kernel("void(int64[::1], int64[::1], bool_[::1], int64[::1], int64, int64, int32[::1])")
def _cut(later, earlier, chosen, cost, first, limit, chunks):
    last = np.full(first + cost.shape[0], -1, np.int32)
    chunk = 0
    held = np.int64(0)
    for pair in range(later.shape[0]):
        if not chosen[pair]:
            continue
        left, right = later[pair] + first, earlier[pair]
        added = np.int64(0)
        for document in (left, right):
            if last[document] != chunk:
                added += cost[document - first] if document >= first else cost[left - first]
        if held > 0 and held + added > limit:
            chunk += 1
            held = cost[left - first] + (cost[right - first] if right >= first else cost[left - first])
        else:
            held += added
        last[left] = last[right] = chunk
        chunks[pair] = chunk
