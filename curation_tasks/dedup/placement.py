"""Where documents are: addresses of rows, and the mappers that the work over shards is cut into.

A *node* is a uint64: ordinal of the shard << 32 | row. The shards of earlier indexes follow those of the dataset, so that a
node names one document, wherever it is from. A *mapper* serves neighbouring shards through one file of signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from curation_tasks.dedup.rank import ROW_BITS, ROW_MASK

#: At most so many files go into a shuffle; beyond, a file serves several shards.
MOST_MAPPERS = 512


@dataclass(frozen=True)
class Placement:
    """All documents that may be compared: those of the dataset, then those of earlier indexes.

    Attributes:
        mappers: ``{"mapper", "shards": [{"ordinal", "uri", "rows"}], "order"}``, and for those of an index also ``"signatures"``
            (its file), ``"base"`` (ordinal of the index's first shard) and ``"snapshot"``. ``order`` ranks earlier indexes
            before later ones.
        own: Number of mappers of the dataset; they come first.
        erased: uint64, ascending: nodes of indexes that no longer count.
    """

    mappers: Sequence[Mapping[str, Any]]
    own: int
    erased: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))

    @property
    def order(self) -> int:
        """Rank of the dataset among the indexes: after all of them."""
        return int(self.mappers[0]["order"]) if self.own else 0

    def bounds(self) -> np.ndarray:
        """int64, shape (shards + 1,): number of rows before each shard."""
        rows = [shard["rows"] for mapper in self.mappers for shard in mapper["shards"]]
        return np.concatenate([[0], np.cumsum(np.array(rows, np.int64))]).astype(np.int64)

    def mapper_of(self, nodes: np.ndarray) -> np.ndarray:
        """int64, shape (nodes,): the mapper that has each node."""
        by_shard = np.repeat(np.arange(len(self.mappers)), [len(mapper["shards"]) for mapper in self.mappers])
        return by_shard[(nodes >> ROW_BITS).astype(np.int64)]

    def is_own(self, nodes: np.ndarray) -> np.ndarray:
        """bool, shape (nodes,): whether each is of the dataset and not of an index."""
        shards = sum(len(mapper["shards"]) for mapper in self.mappers[: self.own])
        return nodes < (np.uint64(shards) << ROW_BITS)


def positions(nodes: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """int64: nodes numbered without gaps, in their order."""
    return bounds[(nodes >> ROW_BITS).astype(np.int64)] + (nodes & ROW_MASK).astype(np.int64)


def nodes_at(places: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """The inverse of ``positions``."""
    shards = np.searchsorted(bounds, places, side="right") - 1
    return (shards.astype(np.uint64) << ROW_BITS) | (places - bounds[shards]).astype(np.uint64)


def own_mappers(shards: Sequence[Mapping[str, Any]], order: int) -> list[dict[str, Any]]:
    """Cuts the shards of a dataset into at most ``MOST_MAPPERS`` groups of neighbours.

    Args:
        shards: ``{"ordinal", "uri", "rows"}``.
        order: Number of earlier indexes.
    """
    size = max(1, -(-len(shards) // MOST_MAPPERS))
    return [
        {"mapper": first // size, "shards": list(shards[first : first + size]), "order": order} for first in range(0, len(shards), size)
    ]


def found_in(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """bool: which values are among ``ascending``, which is sorted."""
    if not len(ascending):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return ascending[at] == values
