"""Which documents stay: the lexicographically first maximal independent set of the graph of similar documents.

In the order of their rank, a document is removed if a kept one of smaller rank shares a bucket with it and is similar, and
else kept. So every removed document has a kept one that it is similar to, and no two kept ones that share a bucket are
similar. Pairs are compared by their sketches; those that a sketch cannot decide are *grey*, and are decided by their texts in
between the two passes here:

1. ``compare`` gives each document a status: removed (similar beyond doubt to a kept one, or to several open ones), kept
   (nothing before it comes into question), or open. What it finds are edges: pairs accepted by their sketches, and grey pairs
   whose later document is not removed.
2. ``kernels.decisions.decide`` runs again over the edges, with what the texts said of the grey ones. Kept documents stay so.

A document that is similar to several open ones is taken to be removed before it is known that one of them stays. Otherwise a
family of m near-identical documents whose first is open would cost m² comparisons. ``decide`` finds out if none stays: such
documents are orphans, and the task is compared again with a larger number of open ones (``follows``).

Only documents that are not removed decide about later ones, so a bucket of m near-identical documents costs m comparisons
and not m². A document that stays is compared with removed ones too, in buckets that are not hot: that links clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curation_tasks.kernels.buckets import Buckets, join_buckets, meet_outside
from curation_tasks.kernels.compilation import inlined, kernel
from curation_tasks.kernels.machine_words import equal_bytes, population_count

UNDECIDED, KEPT, OPEN, REMOVED = np.uint8(0), np.uint8(1), np.uint8(2), np.uint8(3)

#: Eight-byte words of a sketch that are compared before the bound is looked at; sketches of bytes are multiples of it.
_STRIDE = 8


@dataclass(frozen=True)
class Measure:
    """How two sketches are compared, and what the result means.

    Attributes:
        bits: Count equal bits; else equal bytes.
        reject: At most so many equal: not similar.
        accept: At least so many: similar.
        link: At least so many: of one cluster, where that is all that a pair can say.
        doubt: At least so many, but less than ``link``: whether of one cluster is decided by the texts.
    """

    bits: bool
    reject: int
    accept: int
    link: int
    doubt: int


@dataclass(frozen=True)
class Edges:
    """Pairs that are similar or may be, by ascending ``later``.

    Attributes:
        later: int32, shape (edges,): position of the document of larger rank.
        earlier: int32, shape (edges,): of the other, which is not removed beyond doubt (unless ``listed``).
        equal: int32, shape (edges,): equal bytes or bits of their sketches.
        listed: bool, shape (edges,): decides nothing. Links a document that is not removed to a removed one, or is listed only.
        links: bool, shape (edges,): may link two documents of one cluster though it decides nothing: their sketches say that they
            are similar or leave it open, and they share a bucket that is not hot.
    """

    later: np.ndarray
    earlier: np.ndarray
    equal: np.ndarray
    listed: np.ndarray
    links: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` found.

    Attributes:
        edges: See ``Edges``.
        comparisons: Number of pairs of sketches compared to decide about one of them.
        work: int64, shape (buckets,): those looked at in each bucket.
        stopped: A bucket at which the work was given up because a limit was passed; −1: none.
    """

    edges: Edges
    comparisons: int
    work: np.ndarray
    stopped: int


def compare(
    sketches: np.ndarray,
    buckets: Buckets,
    hot: np.ndarray,
    status: np.ndarray,
    measure: Measure,
    *,
    follows: int = 2**30,
    opened: np.ndarray | None = None,
    among: bool = True,
    list_all: bool = False,
    bucket_limit: int = 2**62,
    edge_limit: int = 2**62,
    comparison_limit: int = 2**62,
) -> Comparison:
    """Compares documents in the order of their rank.

    Args:
        sketches: uint64, shape (documents, words).
        buckets: Of the documents.
        hot: bool, shape (buckets,): too large to look for links to removed documents in.
        status: uint8, shape (documents,). Documents that were decided elsewhere and rank before all others are ``KEPT``,
            ``OPEN`` or ``REMOVED`` and are not compared with each other. The others are ``UNDECIDED``, or hold what is known
            from elsewhere with ``KNOWN`` added. Is overwritten.
        measure: What a comparison means.
        follows: A document that is similar beyond doubt to so many open ones is taken to be removed.
        opened: int32, shape (documents,): number of open documents elsewhere that each is similar to; None: 0.
        among: Compare the others with each other too; without it only with those decided elsewhere.
        list_all: Also find what decides nothing: grey pairs of removed documents, and pairs of two removed ones.
        bucket_limit: Work in one bucket at which to stop.
        edge_limit: Number of edges at which to stop.
        comparison_limit: Number of comparisons at which to stop.
    """
    work, counted = np.zeros(len(buckets.sizes), np.int64), np.zeros(1, np.int64)
    bounds = np.array([measure.reject, measure.accept, measure.doubt, bucket_limit, edge_limit, comparison_limit, follows], np.int64)
    opened = np.zeros(len(status), np.int32) if opened is None else opened
    later, earlier, equal, listed, links, stopped = _compare(
        sketches, buckets.ids, buckets.starts(), hot, status, opened, measure.bits, bounds, among, list_all, work, counted
    )
    return Comparison(Edges(later, earlier, equal, listed, links), int(counted[0]), work, int(stopped))


#: Added to the status of an undecided document of which something is known already: ``KNOWN | OPEN``, ``KNOWN | REMOVED``.
KNOWN = np.uint8(4)


@inlined
def equal_of(sketches, left, right, bits, least):
    """Equal bytes or bits of two sketches; −1 as soon as ``least`` is out of reach."""
    words = sketches.shape[1]
    if bits:
        different = np.int64(0)
        for k in range(words):
            different += np.int64(population_count(sketches[left, k] ^ sketches[right, k]))
        return 64 * words - different
    same = 8 * words
    for start in range(0, words, _STRIDE):
        same -= 8 * _STRIDE - equal_bytes(sketches, left * words + start, right * words + start)
        if same < least:
            return -1
    return same


@inlined
def grown(array):
    larger = np.empty(2 * array.shape[0], array.dtype)
    larger[: array.shape[0]] = array
    return larger


@inlined
def grown_edges(later, earlier, equal, listed, links):
    """The columns of ``Edges`` with room for twice as many."""
    return grown(later), grown(earlier), grown(equal), grown(listed), grown(links)


@inlined
def _without_grey(later, earlier, equal, listed, links, first, end, accept, list_all):
    """Drops the grey pairs of a removed document that only decide, or marks them as listed: nothing is left to decide."""
    to = first
    for k in range(first, end):
        if equal[k] >= accept or links[k] or list_all:
            later[to], earlier[to], equal[to], listed[to], links[to] = later[k], earlier[k], equal[k], equal[k] < accept, links[k]
            to += 1
    return to


@kernel(
    "Tuple((int32[::1], int32[::1], int32[::1], bool_[::1], bool_[::1], int64))"
    "(uint64[:, ::1], int32[:, ::1], int64[::1], bool_[::1], uint8[::1], int32[::1], "
    "bool_, int64[::1], bool_, bool_, int64[::1], int64[::1])"
)
def _compare(sketches, ids, starts, hot, status, opened, bits, bounds, among, list_all, work, counted):
    reject, accept, doubt, bucket_limit, edge_limit, comparison_limit, follows = bounds
    documents, bands = ids.shape
    filled, staying = np.zeros(starts.shape[0] - 1, np.int32), np.zeros(starts.shape[0] - 1, np.int32)
    members = np.empty(starts[-1], np.int32)
    seen = np.full(documents, -1, np.int32)
    later, earlier = np.empty(1024, np.int32), np.empty(1024, np.int32)
    equal, listed, links = np.empty(1024, np.int32), np.empty(1024, np.bool_), np.empty(1024, np.bool_)
    edges = comparisons = 0
    stopped = -1
    for document in range(documents):
        if status[document] == UNDECIDED or status[document] & KNOWN:
            state = status[document] & ~KNOWN
            first = edges
            open_ones = opened[document]
            # First those that may decide; then, if the document stays, those that may only link it to a cluster.
            for deciding in (True, False):
                if not deciding and state == REMOVED and not list_all:
                    break
                least = reject + 1 if deciding or list_all else doubt
                for band in range(bands):
                    bucket = ids[document, band]
                    if bucket < 0 or (not deciding and filled[bucket] == staying[bucket]):
                        continue
                    if deciding:
                        work[bucket] += staying[bucket]
                        if work[bucket] > bucket_limit:
                            stopped = np.int64(bucket)
                    for k in range(starts[bucket], starts[bucket] + filled[bucket]):
                        other = members[k]
                        if seen[other] == document or (status[other] == REMOVED) == deciding:
                            continue
                        seen[other] = document
                        comparisons += deciding
                        same = equal_of(sketches, document, other, bits, least)
                        if same < least:
                            continue
                        if edges == later.shape[0]:
                            later, earlier, equal, listed, links = grown_edges(later, earlier, equal, listed, links)
                        later[edges], earlier[edges], equal[edges], listed[edges] = document, other, same, not deciding
                        links[edges] = same >= doubt and meet_outside(ids, hot, document, other)
                        edges += 1
                        if not deciding:
                            continue
                        open_ones += same >= accept and status[other] == OPEN
                        if (same >= accept and status[other] == KEPT) or open_ones >= follows:
                            state = REMOVED
                        elif state != REMOVED:
                            state = OPEN
                if deciding and state == REMOVED:
                    edges = _without_grey(later, earlier, equal, listed, links, first, edges, accept, list_all)
            if (edges > edge_limit or comparisons > comparison_limit) and stopped < 0:
                for band in range(bands):
                    if ids[document, band] >= 0 and (stopped < 0 or filled[ids[document, band]] > filled[stopped]):
                        stopped = np.int64(ids[document, band])
            if stopped >= 0:
                break
            status[document] = KEPT if state == UNDECIDED else state
            if not among:
                continue
        stays = status[document] != REMOVED
        join_buckets(ids, document, stays, hot, starts, members, filled, staying)
    counted[0] = comparisons
    return later[:edges].copy(), earlier[:edges].copy(), equal[:edges].copy(), listed[:edges].copy(), links[:edges].copy(), stopped
