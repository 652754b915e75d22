"""Which documents stay, with the texts at hand: the same as ``survivors`` decides in two passes, in one.

Nothing is left open: a pair that its sketches cannot decide is decided by its shingles on the spot. So a document is only
compared with those that stay, and what is removed costs one look at each of these: a family of m similar documents of which k
stay takes m · k comparisons, and an edge is put down for each removal alone.

A pair of sets is compared at the price of a few machine words, almost always: a set's *parity* is a bitmap in which each of
its members flips the bit that its hash names. The bits in which two parities differ are at most as many as the members in
which the sets differ, so many differing bits prove that a pair is below the threshold; only others are merged. The proof is
exact for every size of the bitmap.

Source:
    The bitmap: Mitzenmacher, Pagh, Pham: Efficient estimation for high similarities using odd sketches, WWW 2014; here used
    as a bound and not as an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curation_tasks.kernels.buckets import Buckets, join_buckets, meet_outside
from curation_tasks.kernels.compilation import inlined, kernel
from curation_tasks.kernels.machine_words import population_count
from curation_tasks.kernels.survivors import KEPT, KNOWN, REMOVED, UNDECIDED, Edges, Measure, equal_of, grown, grown_edges

#: Bits of a parity for each member of a set, about; and the fewest and the most of all.
_BITS_PER_SHINGLE, _FEWEST_BITS, _MOST_BITS = 8, 256, 16_384
#: Bytes of a parity, at most.
PARITY_BYTES = _MOST_BITS // 8
#: Steps of a merge after which it is looked at whether it is still worth going on.
_STEPS = 64


@dataclass(frozen=True)
class Sets:
    """Shingles of some documents.

    Attributes:
        offsets: int64, shape (documents + 1,).
        shingles: uint64: document i has ``shingles[offsets[i]:offsets[i + 1]]``, ascending, each once. Without any, its text is
            not at hand.
    """

    offsets: np.ndarray
    shingles: np.ndarray


@dataclass(frozen=True)
class Settled:
    """What ``settle`` found.

    Attributes:
        edges: The pairs that are similar, by ascending ``later``; see ``Edges``.
        by_sketch: bool, shape (edges,): so said the sketches.
        similarity: float64, shape (edges,): Jaccard similarity of the sets; NaN where the sketches alone speak.
        comparisons: Number of pairs compared to decide about one of them.
        work: int64, shape (buckets,): those looked at in each bucket.
        stopped: A bucket at which the work was given up because a limit was passed; −1: none.
    """

    edges: Edges
    by_sketch: np.ndarray
    similarity: np.ndarray
    comparisons: int
    work: np.ndarray
    stopped: int


def settle(
    sketches: np.ndarray,
    buckets: Buckets,
    hot: np.ndarray,
    status: np.ndarray,
    sure: np.ndarray,
    sets: Sets,
    measure: Measure,
    threshold: float,
    enough: int,
    *,
    among: bool = True,
    bucket_limit: int = 2**62,
) -> Settled:
    """Decides documents in the order of their rank.

    Args:
        sketches: uint64, shape (documents, words).
        buckets: Of the documents.
        hot: bool, shape (buckets,): too large to look for links to removed documents in.
        status: uint8, shape (documents,). Documents that were decided elsewhere and rank before all others are ``KEPT`` or
            ``REMOVED`` and are not compared with each other. The others are ``UNDECIDED``, or ``KNOWN | REMOVED``. Overwritten.
        sure: bool, shape (documents,): removed elsewhere by sketches, so that no text can say more.
        sets: Of the documents.
        measure: What a comparison of sketches means.
        threshold: Jaccard similarity from which on two sets are similar.
        enough: Equal bytes that stand for it where a text is not at hand.
        among: Compare the others with each other too; without it only with those decided elsewhere.
        bucket_limit: Work in one bucket at which to stop.
    """
    work, counted = np.zeros(len(buckets.sizes), np.int64), np.zeros(1, np.int64)
    bounds = np.array([measure.reject, measure.accept, measure.link, measure.doubt, enough, bucket_limit], np.int64)
    parities = parities_of(sets, _bits_for(sets))
    later, earlier, equal, listed, links, similarity, stopped = _settle(
        sketches, buckets.ids, buckets.starts(), hot, status, sure, sets.offsets, sets.shingles, parities, measure.bits, bounds,
        threshold, among, work, counted,
    )  # fmt: skip
    by_sketch = equal >= np.where(listed, measure.link, measure.accept)
    return Settled(Edges(later, earlier, equal, listed, links), by_sketch, similarity, int(counted[0]), work, int(stopped))


def _bits_for(sets: Sets) -> int:
    sizes = np.diff(sets.offsets)
    mean = float(sizes[sizes > 0].mean()) if (sizes > 0).any() else 0.0
    return int(min(_MOST_BITS, max(_FEWEST_BITS, 1 << int(_BITS_PER_SHINGLE * mean).bit_length())))


def parities_of(sets: Sets, bits: int) -> np.ndarray:
    """The parity of each set.

    Args:
        sets: Of the documents.
        bits: A power of two, at least 64.

    Returns:
        uint64, shape (documents, bits ÷ 64).
    """
    parities = np.zeros((len(sets.offsets) - 1, bits // 64), np.uint64)
    _flip(sets.offsets, sets.shingles, parities)
    return parities


@kernel("void(int64[::1], uint64[::1], uint64[:, ::1])")
def _flip(offsets, shingles, parities):
    mask = np.uint64(64 * parities.shape[1] - 1)
    for document in range(parities.shape[0]):
        for k in range(offsets[document], offsets[document + 1]):
            bit = shingles[k] & mask
            parities[document, np.int64(bit >> np.uint64(6))] ^= np.uint64(1) << (bit & np.uint64(63))


@inlined
def most_different(left, right, threshold):
    """Members in which sets of so many members may differ at most and still be so similar, or a few more."""
    # common ÷ (sum − common) ≥ t is sum − 2 · common ≤ sum · (1 − t) ÷ (1 + t); one more for what rounding may do to it.
    return np.int64((left + right) * (1.0 - threshold) / (1.0 + threshold)) + 1


@inlined
def _differ_in_more(parities, left, right, most):
    different = np.int64(0)
    for k in range(parities.shape[1]):
        different += np.int64(population_count(parities[left, k] ^ parities[right, k]))
    return different > most


@inlined
def _similarity(offsets, shingles, left, right, most):
    """Jaccard similarity, or −1 if the sets differ in more than ``most`` members."""
    a, a_end = offsets[left], offsets[left + 1]
    b, b_end = offsets[right], offsets[right + 1]
    size = (a_end - a) + (b_end - b)
    seen = a + b
    common = np.int64(0)
    while a < a_end and b < b_end:
        # No step goes further than one on each side.
        for _ in range(min(_STEPS, min(a_end - a, b_end - b))):
            x, y = shingles[a], shingles[b]
            common += x == y
            a += x <= y
            b += y <= x
        if (a + b - seen) - 2 * common > most:
            return -1.0
    return common / (size - common)


@inlined
def _by_texts(offsets, shingles, left, right, same, enough, threshold):
    """Similarity of two sets; −1 if it is below the threshold; NaN if one is not at hand, and their sketches are like enough."""
    a, b = offsets[left + 1] - offsets[left], offsets[right + 1] - offsets[right]
    if a == 0 or b == 0:
        return np.nan if same >= enough else -1.0
    value = _similarity(offsets, shingles, left, right, most_different(a, b, threshold))
    return value if value >= threshold else -1.0


@kernel(
    "Tuple((int32[::1], int32[::1], int32[::1], bool_[::1], bool_[::1], float64[::1], int64))"
    "(uint64[:, ::1], int32[:, ::1], int64[::1], bool_[::1], uint8[::1], bool_[::1], int64[::1], uint64[::1], uint64[:, ::1], "
    "bool_, int64[::1], float64, bool_, int64[::1], int64[::1])"
)
def _settle(sketches, ids, starts, hot, status, sure, offsets, shingles, parities, bits, bounds, threshold, among, work, counted):
    reject, accept, link, doubt, enough, bucket_limit = bounds
    documents, bands = ids.shape
    filled, staying = np.zeros(starts.shape[0] - 1, np.int32), np.zeros(starts.shape[0] - 1, np.int32)
    members = np.empty(starts[-1], np.int32)
    seen = np.full(documents, -1, np.int32)
    doubtful = np.empty(documents, np.int32)
    # What one document is similar to, and of all of them.
    found, found_equal, found_value = np.empty(documents, np.int32), np.empty(documents, np.int32), np.empty(documents, np.float64)
    later, earlier, equal = np.empty(1024, np.int32), np.empty(1024, np.int32), np.empty(1024, np.int32)
    listed, links, similarity = np.empty(1024, np.bool_), np.empty(1024, np.bool_), np.empty(1024, np.float64)
    edges = comparisons = 0
    stopped = -1
    for document in range(documents):
        if status[document] == UNDECIDED or status[document] & KNOWN:
            removed, beyond_doubt = status[document] != UNDECIDED, sure[document]
            length = offsets[document + 1] - offsets[document]
            hits = doubts = 0
            for band in range(bands):
                bucket = ids[document, band]
                if bucket < 0:
                    continue
                work[bucket] += staying[bucket]
                if work[bucket] > bucket_limit:
                    stopped = np.int64(bucket)
                for k in range(starts[bucket], starts[bucket] + filled[bucket]):
                    other = members[k]
                    if seen[other] == document or status[other] == REMOVED:
                        continue
                    seen[other] = document
                    comparisons += 1
                    same = np.int64(-1)
                    if reject >= 0:
                        same = equal_of(sketches, document, other, bits, reject + 1)
                        if same <= reject:
                            continue
                    if same >= accept:
                        found[hits], found_equal[hits], found_value[hits] = other, same, np.nan
                        hits += 1
                        removed = beyond_doubt = True
                        continue
                    size = offsets[other + 1] - offsets[other]
                    if length > 0 and size > 0:
                        most = most_different(length, size, threshold)
                        if abs(length - size) > most or _differ_in_more(parities, document, other, most):
                            continue
                    doubtful[doubts] = other
                    doubts += 1
            by_sketch = hits
            # The texts speak where the sketches did not; of a document that is removed, only about those it may be linked to.
            for k in range(doubts):
                other = doubtful[k]
                same = equal_of(sketches, document, other, bits, 0)
                if not beyond_doubt or (same >= doubt and meet_outside(ids, hot, document, other)):
                    value = _by_texts(offsets, shingles, document, other, same, enough, threshold)
                    if value != -1.0:
                        found[hits], found_equal[hits], found_value[hits] = other, same, value
                        hits += 1
            removed |= hits > 0
            deciding = hits
            # A document that stays may be linked to removed ones. Hot buckets hold none.
            for band in range(0 if removed else bands):
                bucket = ids[document, band]
                if bucket < 0 or filled[bucket] == staying[bucket]:
                    continue
                for k in range(starts[bucket], starts[bucket] + filled[bucket]):
                    other = members[k]
                    if seen[other] == document or status[other] != REMOVED:
                        continue
                    seen[other] = document
                    same = equal_of(sketches, document, other, bits, doubt)
                    if same < doubt:
                        continue
                    value = np.nan
                    if same < link:
                        value = _by_texts(offsets, shingles, document, other, same, enough, threshold)
                        if value == -1.0:
                            continue
                    found[hits], found_equal[hits], found_value[hits] = other, same, value
                    hits += 1
            while edges + hits > later.shape[0]:
                later, earlier, equal, listed, links = grown_edges(later, earlier, equal, listed, links)
                similarity = grown(similarity)
            for k in range(hits):
                later[edges], earlier[edges], equal[edges] = document, found[k], found_equal[k]
                listed[edges] = k >= (by_sketch if beyond_doubt else deciding)
                links[edges] = found_equal[k] >= doubt and meet_outside(ids, hot, document, found[k])
                similarity[edges] = found_value[k]
                edges += 1
            if stopped >= 0:
                break
            status[document] = REMOVED if removed else KEPT
            if not among:
                continue
        stays = status[document] != REMOVED
        join_buckets(ids, document, stays, hot, starts, members, filled, staying)
    counted[0] = comparisons
    return (
        later[:edges].copy(), earlier[:edges].copy(), equal[:edges].copy(), listed[:edges].copy(), links[:edges].copy(),
        similarity[:edges].copy(), stopped,
    )  # fmt: skip
