"""Buckets: documents with an equal band hash, numbered, and filled one document after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from curation_tasks.kernels.compilation import inlined, kernel


@dataclass(frozen=True)
class Buckets:
    """The buckets of some documents that have more than one member.

    Attributes:
        ids: int32, shape (documents, bands): number of the bucket, −1 where a document is alone.
        sizes: int64, shape (buckets,): members.
        hashes: uint64, shape (buckets,): band hash.
    """

    ids: np.ndarray
    sizes: np.ndarray
    hashes: np.ndarray

    def starts(self) -> np.ndarray:
        """int64, shape (buckets + 1,): where the members of each begin in a list of all."""
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)


def buckets_of(bands: Iterable[np.ndarray], count: int, documents: int) -> Buckets:
    """Numbers the buckets that have more than one member.

    Args:
        bands: Band hashes, one band after the other: uint64, shape (documents,).
        count: Number of bands.
        documents: Number of documents.
    """
    ids = np.empty((documents, count), np.int32)
    sizes, found_hashes = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
    found = 0
    for band, hashes in enumerate(bands):
        order = np.argsort(hashes).astype(np.int64)
        members = np.empty(documents // 2, np.int64)
        heads = np.empty(documents // 2, np.int64)
        added = _number(hashes, order, found, ids[:, band], members, heads)
        sizes.append(members[:added].copy())
        found_hashes.append(hashes[heads[:added]])
        found += added
    return Buckets(ids, np.concatenate(sizes), np.concatenate(found_hashes))


@inlined
def join_buckets(ids, document, stays, hot, starts, members, filled, staying):
    """Enters a document into its buckets, for later ones to be compared with: a removed one only where links are looked for.

    Args:
        ids: Of ``Buckets``.
        document: Its position.
        stays: Whether it is not removed.
        hot: bool, shape (buckets,): no links are looked for.
        starts: int64, shape (buckets + 1,): where the members of each bucket begin.
        members: int32: documents, bucket by bucket.
        filled: int32, shape (buckets,): members entered so far.
        staying: int32, shape (buckets,): those of them that are not removed.
    """
    for band in range(ids.shape[1]):
        bucket = ids[document, band]
        if bucket >= 0 and (stays or not hot[bucket]):
            members[starts[bucket] + filled[bucket]] = document
            filled[bucket] += 1
            staying[bucket] += stays


@inlined
def meet_outside(ids, hot, left, right):
    """Whether two documents share a bucket that is not hot."""
    for band in range(ids.shape[1]):
        bucket = ids[left, band]
        if bucket >= 0 and bucket == ids[right, band] and not hot[bucket]:
            return True
    return False


@kernel("int64(uint64[::1], int64[::1], int64, int32[:], int64[::1], int64[::1])")
def _number(hashes, order, first, ids, sizes, heads):
    count = order.shape[0]
    found = start = 0
    while start < count:
        end = start + 1
        while end < count and hashes[order[end]] == hashes[order[start]]:
            end += 1
        if end - start == 1:
            ids[order[start]] = -1
        else:
            for k in range(start, end):
                ids[order[k]] = first + found
            sizes[found], heads[found] = end - start, order[start]
            found += 1
        start = end
    return found
