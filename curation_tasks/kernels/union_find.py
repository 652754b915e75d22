"""Union-find: components of a graph whose edges come in any number of pieces."""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import inlined, kernel


def components(left: np.ndarray, right: np.ndarray, parents: np.ndarray) -> None:
    """Joins the components of edges; may be called again with more edges.

    Args:
        left: int64, shape (edges,): positions.
        right: int64, shape (edges,).
        parents: int64, shape (nodes,): at first 0, 1, 2 …. ``settle`` makes it the smallest position of each component.
    """
    _join(left, right, parents)


def settle(parents: np.ndarray) -> None:
    """Makes each entry the smallest position in its component."""
    _settle(parents)


@inlined
def root_of(parents, at):
    while parents[at] != at:
        parents[at] = parents[parents[at]]
        at = parents[at]
    return at


@inlined
def link_roots(parents, left, right):
    """Joins two components under the smaller of their roots."""
    left, right = root_of(parents, left), root_of(parents, right)
    if left < right:
        parents[right] = left
    else:
        parents[left] = right


@kernel("void(int64[::1], int64[::1], int64[::1])")
def _join(left, right, parents):
    for k in range(left.shape[0]):
        link_roots(parents, left[k], right[k])


@kernel("void(int64[::1])")
def _settle(parents):
    for node in range(parents.shape[0]):
        parents[node] = root_of(parents, node)
