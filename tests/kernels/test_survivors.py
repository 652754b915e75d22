"""Survivors: passes, windows and components against greedy in plain Python, on random graphs with random ranks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.kernels.buckets import buckets_of
from curation_tasks.kernels.decisions import decide
from curation_tasks.kernels.pair_cuts import cut_pairs
from curation_tasks.kernels.survivors import KEPT, KNOWN, OPEN, REMOVED, Edges, Measure, compare  # fmt: skip
from curation_tasks.kernels.union_find import components, settle

MEASURE = Measure(bits=False, reject=28, accept=48, link=48, doubt=48)


def documents(seed, count):
    """Sketches of 64 bytes of a few families, and bands in which they meet by chance."""
    generator = np.random.default_rng(seed)
    families = generator.integers(0, 256, (max(1, count // 6), 64), dtype=np.uint8)
    copied = generator.random((count, 64)) < generator.uniform(0.5, 1.0, count)[:, None]
    sketches = np.where(
        copied, families[generator.integers(0, len(families), count)], generator.integers(0, 256, (count, 64), dtype=np.uint8)
    )
    bands = generator.integers(0, max(2, count // 4), (3, count)).astype(np.uint64) + np.arange(3, dtype=np.uint64)[:, None] * 1000
    return np.ascontiguousarray(sketches).view(np.uint64), bands, generator


def equal_bytes(sketches, bands):
    """(later, earlier) → equal bytes, of all pairs that share a bucket and are not rejected."""
    view = sketches.view(np.uint8)
    found = {}
    for later in range(len(view)):
        for earlier in range(later):
            equal = int((view[later] == view[earlier]).sum())
            if (bands[:, later] == bands[:, earlier]).any() and equal > MEASURE.reject:
                found[later, earlier] = equal
    return found


def greedy(count, pairs, truth):
    """The lexicographically first maximal independent set, and who stands for each removed document."""
    kept, survivor = set(), {}
    for document in range(count):
        similar = [earlier for (later, earlier) in pairs if later == document and earlier in kept and truth[later, earlier]]
        if similar:
            sure = [earlier for earlier in similar if pairs[document, earlier] >= MEASURE.accept]
            survivor[document] = min(sure or similar)
        else:
            kept.add(document)
    return kept, survivor


def told(pairs, generator):
    """What the texts say: of grey pairs a coin, of others what the sketch says."""
    return {pair: equal >= MEASURE.accept or bool(generator.random() < 0.5) for pair, equal in pairs.items()}


def decided(count, edges, truth, foreign=None):
    similar = np.array([truth[pair] for pair in zip(edges.later.tolist(), edges.earlier.tolist(), strict=True)], bool)
    return decide(count, np.zeros(count, bool) if foreign is None else foreign, edges, similar, edges.links, edges.equal >= MEASURE.accept)


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 40), hot=st.booleans())
def test_two_passes_make_what_greedy_makes(seed, count, hot):
    sketches, bands, generator = documents(seed, count)
    pairs = equal_bytes(sketches, bands)
    truth = told(pairs, generator)
    kept, survivor = greedy(count, pairs, truth)
    buckets, status = buckets_of(bands, 3, count), np.zeros(count, np.uint8)
    found = compare(sketches, buckets, np.full(len(buckets.sizes), hot), status, MEASURE)
    survivors, edge, cluster = decided(count, found.edges, truth)
    assert {document for document in range(count) if survivors[document] < 0} == kept
    assert {document: survivors[document] for document in range(count) if survivors[document] >= 0} == survivor
    # S1: each removed document has a similar kept one. S2: no two kept ones that share a bucket are similar.
    assert all(truth[document, other] and other in kept for document, other in survivor.items())
    assert not any(truth[pair] for pair in pairs if set(pair) <= kept)
    # What the first pass says is final.
    assert all(document in kept for document in np.flatnonzero(status == KEPT))
    assert all(document not in kept for document in np.flatnonzero(status == REMOVED))
    assert [found.edges.earlier[edge[document]] for document in survivor] == list(survivor.values())
    assert (cluster <= np.arange(count)).all()
    assert all(cluster[document] == cluster[other] for document, other in survivor.items())


def rounds(count, pairs, truth):
    """All documents at once, again and again: one stays when all similar ones before it are gone, and goes when one of them stays."""
    before = {document: [] for document in range(count)}
    for later, earlier in pairs:
        if truth[later, earlier]:
            before[later].append(earlier)
    state = {}
    while len(state) < count:
        seen = dict(state)
        for document in set(range(count)) - set(seen):
            known = [seen.get(earlier) for earlier in before[document]]
            if "kept" in known:
                state[document] = "removed"
            elif None not in known:
                state[document] = "kept"
    return {document for document, what in state.items() if what == "kept"}


@settings(max_examples=80)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 40))
def test_greedy_is_rounds_is_greedy_by_component(seed, count):
    sketches, bands, generator = documents(seed, count)
    pairs = equal_bytes(sketches, bands)
    truth = told(pairs, generator)
    kept, _ = greedy(count, pairs, truth)
    assert rounds(count, pairs, truth) == kept
    # Components of buckets, as the run places them, each on its own, in any order.
    parents = np.arange(count)
    for band in bands:
        first = {int(value): place for place, value in reversed(list(enumerate(band.tolist())))}
        components(np.array([first[int(value)] for value in band]), np.arange(count), parents)
    settle(parents)
    found = set()
    for root in generator.permutation(np.unique(parents)):
        rows = np.flatnonzero(parents == root)
        buckets = buckets_of(bands[:, rows].copy(), 3, len(rows))
        edges = compare(sketches[rows].copy(), buckets, np.zeros(len(buckets.sizes), bool), np.zeros(len(rows), np.uint8), MEASURE).edges
        own = {(a, b): truth[rows[a], rows[b]] for a, b in zip(edges.later.tolist(), edges.earlier.tolist(), strict=True)}
        survivors, _, _ = decided(len(rows), edges, own)
        found |= set(rows[survivors < 0].tolist())
    assert found == kept


@settings(max_examples=80)
@given(seed=st.integers(0, 2**32), count=st.integers(2, 30), cut=st.floats(0, 1))
def test_a_window_compared_with_an_earlier_one_gives_the_same(seed, count, cut):
    sketches, bands, _ = documents(seed, count)
    first = int(count * cut)
    buckets, cold = buckets_of(bands, 3, count), np.zeros(0, bool)
    cold = np.zeros(len(buckets.sizes), bool)
    whole = np.zeros(count, np.uint8)
    expected = compare(sketches, buckets, cold, whole, MEASURE)

    before = np.zeros(first, np.uint8)
    early = buckets_of(bands[:, :first].copy(), 3, first)
    one = compare(sketches[:first], early, np.zeros(len(early.sizes), bool), before, MEASURE)
    status = np.concatenate([before, np.zeros(count - first, np.uint8)])
    cross = compare(sketches, buckets, cold, status, MEASURE, among=False)
    late = buckets_of(bands[:, first:].copy(), 3, count - first)
    own = np.zeros(count - first, np.uint8)
    for later, earlier, equal, listed, _ in zip(*vars(cross.edges).values(), strict=True):
        if not listed and own[later - first] != KNOWN | REMOVED:
            own[later - first] = KNOWN | (REMOVED if equal >= MEASURE.accept and before[earlier] == KEPT else OPEN)
    two = compare(sketches[first:].copy(), late, np.zeros(len(late.sizes), bool), own, MEASURE)
    assert np.concatenate([before, own]).tolist() == whole.tolist()
    assert one.comparisons + cross.comparisons + two.comparisons == expected.comparisons

    def edges(parts):
        found = set()
        for part, offset in parts:
            for later, earlier, equal, listed, links in zip(*(column.tolist() for column in vars(part).values()), strict=True):
                if whole[later + offset] != REMOVED or (equal >= MEASURE.accept and not listed):
                    found.add((later + offset, earlier + offset, equal, listed, links))
        return found

    assert edges([(one.edges, 0), (cross.edges, 0), (two.edges, first)]) == edges([(expected.edges, 0)])


def test_a_document_of_an_earlier_index_stays_though_it_is_like_another():
    sketches = np.ones((3, 8), np.uint64)
    bands = np.zeros((1, 3), np.uint64)
    buckets = buckets_of(bands, 1, 3)
    status = np.array([KEPT, KEPT, 0], np.uint8)
    found = compare(sketches, buckets, np.zeros(1, bool), status, MEASURE)
    survivors, _, cluster = decided(3, found.edges, {(2, 0): True, (2, 1): True}, np.array([True, True, False]))
    assert survivors.tolist() == [-1, -1, 0]
    assert cluster.tolist() == [0, 0, 0]


def test_a_bucket_of_like_documents_costs_as_many_comparisons_as_it_has_members():
    count = 2000
    sketches, bands = np.ones((count, 8), np.uint64), np.zeros((4, count), np.uint64)
    found = compare(sketches, buckets_of(bands, 4, count), np.ones(4, bool), np.zeros(count, np.uint8), MEASURE)
    assert found.comparisons == count - 1
    assert len(found.edges.later) == count - 1


def test_a_bucket_that_costs_too_much_stops():
    generator = np.random.default_rng(1)
    sketches, bands = generator.integers(0, 2**63, (300, 8)).astype(np.uint64), np.zeros((1, 300), np.uint64)
    found = compare(sketches, buckets_of(bands, 1, 300), np.zeros(1, bool), np.zeros(300, np.uint8), MEASURE, bucket_limit=1000)
    assert found.stopped == 0
    assert 1000 < found.work[0] < 1100
    alike = np.ones((50, 8), np.uint64)
    alike[:, 0] += np.arange(50, dtype=np.uint64) << np.uint64(56)
    grey = Measure(False, 10, 65, 65, 65)
    assert (
        compare(alike, buckets_of(bands[:, :50].copy(), 1, 50), np.zeros(1, bool), np.zeros(50, np.uint8), grey, edge_limit=100).stopped
        == 0
    )


def test_bits_are_counted_for_simhash():
    sketches = np.array([[0], [0b111], [0b1111]], np.uint64)
    buckets = buckets_of(np.zeros((1, 3), np.uint64), 1, 3)
    found = compare(sketches, buckets, np.zeros(1, bool), np.zeros(3, np.uint8), Measure(True, 60, 61, 61, 61))
    assert list(zip(*(column.tolist() for column in vars(found.edges).values()), strict=True)) == [
        (1, 0, 61, False, True),
        (2, 1, 63, True, True),
    ]


@settings(max_examples=60)
@given(edges=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=30), cut=st.integers(0, 30))
def test_components_are_those_of_a_search(edges, cut):
    neighbours = {node: {node} for node in range(26)}
    for left, right in edges:
        neighbours[left].add(right)
        neighbours[right].add(left)
    expected = []
    for node in range(26):
        reached, border = {node}, {node}
        while border:
            border = set().union(*(neighbours[other] for other in border)) - reached
            reached |= border
        expected.append(min(reached))
    parents = np.arange(26)
    for part in (edges[:cut], edges[cut:]):
        left, right = (np.array(side, np.int64) for side in (zip(*part, strict=True) if part else ((), ())))
        components(left, right, parents)
    settle(parents)
    assert parents.tolist() == expected


@settings(max_examples=60)
@given(pairs=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25), limit=st.integers(1, 60), seed=st.integers(0, 99))
def test_chunks_of_pairs_cost_no_more_than_the_limit(pairs, limit, seed):
    pairs = sorted({(max(pair), min(pair)) for pair in pairs if pair[0] != pair[1]})
    cost = np.random.default_rng(seed).integers(1, 20, 10)
    later, earlier = (np.array(side, np.int64) for side in (zip(*pairs, strict=True) if pairs else ((), ())))
    chosen = np.array([number % 5 > 0 for number in range(len(pairs))], bool)
    chunks = cut_pairs(later, earlier, chosen, cost, 0, limit)
    assert (chunks[~chosen] == -1).all()
    used = chunks[chosen]
    assert (np.diff(used) >= 0).all()
    assert set(used.tolist()) == set(range(used.max() + 1 if len(used) else 0))
    for chunk in set(used.tolist()):
        rows = np.flatnonzero(chunks == chunk)
        members = {*later[rows].tolist(), *earlier[rows].tolist()}
        assert sum(cost[member] for member in members) <= limit or len(rows) == 1


def test_edges_are_ordered_by_their_later_document():
    sketches, bands, _ = documents(5, 200)
    buckets = buckets_of(bands, 3, 200)
    found = compare(sketches, buckets, np.zeros(len(buckets.sizes), bool), np.zeros(200, np.uint8), MEASURE)
    assert isinstance(found.edges, Edges)
    assert len(found.edges.later) > 15
    assert (np.diff(found.edges.later) >= 0).all()
