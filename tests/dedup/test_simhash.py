"""SimHash: the bits by their definition, bands that miss no pair, and decisions as greedy makes them."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_tasks.dedup.fuzzy_parts import SimhashParameters
from curation_tasks.dedup.simhash import simhash, simhash_scheme
from curation_tasks.kernels.shingles import Shingling, distinct_shingles
from curation_tasks.kernels.simhash import block_masks, simhashes


def texts(seed, families=8, members=6, words=120):
    generator = np.random.default_rng(seed)
    found = ["", "same", "same"]
    for _ in range(families):
        text = [f"w{number}" for number in generator.integers(0, 9000, words)]
        for _ in range(members):
            found.append(" ".join(text))
            text[generator.integers(0, words)] = f"x{generator.integers(0, 9000)}"
    return [found[place] for place in generator.permutation(len(found))]


def test_each_bit_is_the_majority_of_the_shingles():
    shingling = Shingling("words", 1)
    rows = ["a", "a b", "a b c d e f g", "a a a b", ""]
    found = simhashes(pa.array(rows), shingling, 4, 3)
    for row, text in enumerate(rows):
        votes = np.zeros(64, int)
        for word in text.split():
            _, [value] = distinct_shingles(pa.array([word]), shingling)
            votes += [(int(value) >> bit) & 1 for bit in range(64)]
        expected = sum(1 << bit for bit in range(64) if 2 * votes[bit] > len(text.split()))
        assert found.bytes[row].view(np.uint64)[0] == expected
        assert found.shingles[row] == len(text.split())


@pytest.mark.parametrize(("distance", "blocks"), [(0, 1), (3, 4), (3, 5), (3, 6), (2, 7), (5, 6)])
def test_every_pair_within_the_distance_shares_a_band(distance, blocks):
    parameters = SimhashParameters(distance=distance, blocks=blocks)
    masks = block_masks(parameters.bands, distance).tolist()
    assert len(masks) == parameters.bands
    generator = np.random.default_rng(distance)
    for _ in range(300):
        changed = sum(1 << int(bit) for bit in generator.choice(64, distance, replace=False))
        assert any(changed & mask == 0 for mask in masks)
    worst = sum(1 << (64 * block // blocks) for block in range(distance))
    assert any(worst & mask == 0 for mask in masks)


@pytest.mark.parametrize("distance", [0, 3, 8])
def test_decides_as_greedy_over_all_pairs(make_dataset, make_context, tmp_path, distance):
    rows = texts(distance)
    parameters = SimhashParameters(distance=distance)
    scheme = simhash_scheme(parameters)
    signed = simhashes(pa.array(rows), scheme.shingling, scheme.bands, scheme.rows)
    hashes = signed.bytes.view(np.uint64)[:, 0]
    expected, kept = {}, []
    for row, value in enumerate(hashes.tolist()):
        near = [other for other in kept if (value ^ int(hashes[other])).bit_count() <= distance]
        if signed.shingles[row] and near:
            expected[row] = (f"doc-0-{near[0]}", 1 - (value ^ int(hashes[near[0]])).bit_count() / 64)
        elif signed.shingles[row]:
            kept.append(row)
    decisions = simhash(make_dataset(tmp_path, [rows]), parameters, make_context(tmp_path / "work"))
    found = {row["row"]: row for row in pq.read_table(decisions.uris[0]).to_pylist()}
    assert {row: (evidence["survivor"], evidence["similarity"]) for row, evidence in found.items()} == expected
    assert {evidence["reason"] for evidence in found.values()} == {"simhash_duplicate"}
    assert decisions.effort["grey_pairs"] == 0
    similar = [pair for pair in itertools.combinations(kept, 2) if (int(hashes[pair[0]]) ^ int(hashes[pair[1]])).bit_count() <= distance]
    assert not similar
