"""Settlement: with the sets at hand, what greedy decides over the same pairs; and bounds that are never wrong."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.kernels.buckets import buckets_of
from curation_tasks.kernels.decisions import decide
from curation_tasks.kernels.settlement import Sets, most_different, parities_of, settle
from curation_tasks.kernels.survivors import KEPT, KNOWN, REMOVED, Measure

THRESHOLD = 0.6
TWO_STAGE = Measure(bits=False, reject=20, accept=48, link=48, doubt=21)
EXACT = Measure(bits=False, reject=-1, accept=65, link=48, doubt=21)
#: Equal bytes that are enough where a set is not at hand.
ENOUGH = 39


def documents(seed, count):
    """Sets of shingles of a few families, sketches that follow them with much noise, and bands by chance."""
    generator = np.random.default_rng(seed)
    families = generator.integers(0, 256, (max(1, count // 6), 64), dtype=np.uint8)
    own = generator.integers(0, 256, (count, 64), dtype=np.uint8)
    copied = generator.random((count, 64)) < generator.uniform(0.3, 1.0, count)[:, None]
    family = generator.integers(0, len(families), count)
    sketches = np.where(copied, families[family], own)
    # Shingle i of a document is the family's i-th or one of its own; some texts are gone.
    names = np.where(copied, family[:, None] * 64 + np.arange(64), 10_000 + np.arange(count * 64).reshape(count, 64)).astype(np.uint64)
    rows = [np.unique(row * np.uint64(0x9E3779B97F4A7C15)) if generator.random() < 0.9 else row[:0] for row in names]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    bands = generator.integers(0, max(2, count // 4), (3, count)).astype(np.uint64) + np.arange(3, dtype=np.uint64)[:, None] * 1000
    return np.ascontiguousarray(sketches).view(np.uint64), bands, Sets(offsets, np.concatenate(rows)), generator


def members(sets, document):
    return set(sets.shingles[sets.offsets[document] : sets.offsets[document + 1]].tolist())


def verdict(sketches, sets, measure, later, earlier):
    """Whether two documents are similar, and whether their sketches say so."""
    view = sketches.view(np.uint8)
    equal = int((view[later] == view[earlier]).sum())
    if equal <= measure.reject or equal >= measure.accept:
        return equal >= measure.accept, True
    a, b = members(sets, later), members(sets, earlier)
    return (len(a & b) / len(a | b) >= THRESHOLD if a and b else equal >= ENOUGH), False


def greedy(sketches, bands, sets, measure):
    """Survivors of removed documents, by plain comparison with all kept ones of a bucket."""
    kept, survivor = [], {}
    for document in range(len(sketches)):
        near = [other for other in kept if (bands[:, document] == bands[:, other]).any()]
        similar = [(other, by_sketch) for other in near for yes, by_sketch in [verdict(sketches, sets, measure, document, other)] if yes]
        if similar:
            sure = [other for other, by_sketch in similar if by_sketch]
            survivor[document] = min(sure or [other for other, _ in similar])
        else:
            kept.append(document)
    return survivor


def survivors(count, edges, by_sketch):
    similar = np.ones(len(edges.later), bool)
    found, _, cluster = decide(count, np.zeros(count, bool), edges, similar, edges.links, by_sketch)
    return {document: int(found[document]) for document in range(count) if found[document] >= 0}, cluster


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 40), exact=st.booleans(), hot=st.booleans())
def test_one_pass_makes_what_greedy_makes(seed, count, exact, hot):
    measure = EXACT if exact else TWO_STAGE
    sketches, bands, sets, _ = documents(seed, count)
    buckets, status = buckets_of(bands, 3, count), np.zeros(count, np.uint8)
    found = settle(
        sketches, buckets, np.full(len(buckets.sizes), hot), status, np.zeros(count, bool), sets, measure, THRESHOLD, ENOUGH
    )  # fmt: skip
    expected = greedy(sketches, bands, sets, measure)
    told, cluster = survivors(count, found.edges, found.by_sketch)
    assert told == expected
    assert np.flatnonzero(status == REMOVED).tolist() == sorted(expected)
    assert all(cluster[document] == cluster[other] for document, other in expected.items())
    assert not (found.edges.listed.any() and hot)
    for later, earlier, value in zip(found.edges.later, found.edges.earlier, found.similarity, strict=True):
        a, b = members(sets, later), members(sets, earlier)
        assert np.isnan(value) or value == len(a & b) / len(a | b)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), count=st.integers(2, 30), cut=st.floats(0, 1), exact=st.booleans())
def test_a_window_settled_after_an_earlier_one_gives_the_same(seed, count, cut, exact):
    measure = EXACT if exact else TWO_STAGE
    sketches, bands, sets, _ = documents(seed, count)
    first = int(count * cut)

    def run(start, end, status, sure, among=True):
        window = Sets(sets.offsets[start : end + 1] - sets.offsets[start], sets.shingles[sets.offsets[start] : sets.offsets[end]].copy())
        buckets = buckets_of(bands[:, start:end].copy(), 3, end - start)
        cold = np.zeros(len(buckets.sizes), bool)
        found = settle(sketches[start:end].copy(), buckets, cold, status, sure, window, measure, THRESHOLD, ENOUGH, among=among)
        return found, {
            (int(later) + start, int(earlier) + start): (int(equal), bool(by_sketch))
            for later, earlier, equal, by_sketch, listed in zip(
                found.edges.later, found.edges.earlier, found.edges.equal, found.by_sketch, found.edges.listed, strict=True
            )
            if not listed
        }

    whole = np.zeros(count, np.uint8)
    _, expected = run(0, count, whole, np.zeros(count, bool))
    before = np.zeros(first, np.uint8)
    _, one = run(0, first, before, np.zeros(first, bool))
    cross, two = run(0, count, np.concatenate([before, np.zeros(count - first, np.uint8)]), np.zeros(count, bool), among=False)
    status, sure = np.zeros(count - first, np.uint8), np.zeros(count - first, bool)
    decides = ~cross.edges.listed
    status[cross.edges.later[decides] - first] = KNOWN | REMOVED
    sure[cross.edges.later[decides & cross.by_sketch] - first] = True
    _, three = run(first, count, status, sure)
    assert np.concatenate([before, status]).tolist() == whole.tolist()
    joined = one | two | three
    # A text may have spoken in one window before a sketch did in another: what is sure is the same, and decides.
    assert {pair for pair, (_, by_sketch) in joined.items() if by_sketch} == {
        pair for pair, (_, by_sketch) in expected.items() if by_sketch
    }
    assert expected.items() <= joined.items()


@settings(max_examples=100)
@given(
    left=st.sets(st.integers(0, 400), min_size=1), right=st.sets(st.integers(0, 400), min_size=1), threshold=st.floats(0.01, 0.99),
    bits=st.sampled_from([64, 256, 1024]),
)  # fmt: skip
def test_the_bound_never_refuses_similar_sets(left, right, threshold, bits):
    rows = [np.sort(np.array([number * 0x9E3779B97F4A7C15 % 2**64 for number in side], np.uint64)) for side in (left, right)]
    parities = parities_of(Sets(np.array([0, len(left), len(left) + len(right)]), np.concatenate(rows)), bits)
    differ = sum(int(word).bit_count() for word in (parities[0] ^ parities[1]).tolist())
    assert differ <= len(left ^ right)
    if len(left & right) / len(left | right) >= threshold:
        assert len(left ^ right) <= most_different(len(left), len(right), threshold)


def test_like_documents_cost_as_many_comparisons_as_there_are():
    count = 3000
    sketches, bands = np.zeros((count, 8), np.uint64), np.zeros((4, count), np.uint64)
    sets = Sets(np.arange(count + 1) * 3, np.tile(np.arange(3, dtype=np.uint64), count))
    buckets, status = buckets_of(bands, 4, count), np.zeros(count, np.uint8)
    found = settle(sketches, buckets, np.ones(4, bool), status, np.zeros(count, bool), sets, EXACT, THRESHOLD, ENOUGH)
    assert found.comparisons == len(found.edges.later) == count - 1
    assert (found.similarity == 1.0).all()
    assert (status == REMOVED).sum() == count - 1
    assert status[0] == KEPT


def test_a_bucket_that_costs_too_much_stops():
    count = 300
    bands = np.zeros((1, count), np.uint64)
    sets = Sets(np.arange(count + 1), np.arange(count, dtype=np.uint64))
    sketches = np.random.default_rng(1).integers(0, 2**63, (count, 8)).astype(np.uint64)
    found = settle(
        sketches, buckets_of(bands, 1, count), np.zeros(1, bool), np.zeros(count, np.uint8), np.zeros(count, bool), sets, EXACT, THRESHOLD,
        ENOUGH, bucket_limit=1000,
    )  # fmt: skip
    assert found.stopped == 0
    assert 1000 < found.work[0] < 1100
