"""Fuzzy deduplication at sizes where a wrong order of growth shows; `bench_fuzzy_edges.py` has the same in full."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from curation_tasks.dedup.buckets import edges_uri, write_whole
from curation_tasks.dedup.components import find_components, labels_uri
from curation_tasks.dedup.fuzzy import fuzzy
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters
from curation_tasks.dedup.partitions import open_partitions
from curation_tasks.dedup.placement import Placement
from curation_tasks.manifest import Dataset, Manifest, write_list
from curation_tasks.storage.shard import ShardWriter

SCHEMA = {"doc_id": "string", "text": "string"}
SHARD_LIST = {"path": "string", "rows": "int64", "bytes": "int64", "text_bytes": "int64", "hash": "string", "sha256": "string"}


def dataset_of(folder, texts):
    with ShardWriter(str(folder), "part-0.parquet", SCHEMA) as writer:
        for start in range(0, len(texts), 100_000):
            part = texts.slice(start, 100_000)
            writer.write(
                pa.record_batch([pa.array([f"d{number}" for number in range(start, start + len(part))]), part], names=list(SCHEMA))
            )
    content = {
        "stage": "clean",
        "kind": "operations",
        "schema": SCHEMA,
        "shards": write_list(folder, "shards", [vars(writer.shard)], SHARD_LIST),
    }
    return Dataset(Manifest(f"{folder}/manifest.json", content, {"key": "0" * 32}))


def family(documents, common, own):
    """Texts of ``common`` words that all have and ``own`` that only one has: similarity common ÷ (common + 2 · own)."""
    shared = " ".join(f"w{number}" for number in range(common))
    words = pc.binary_join_element_wise("x", pa.array(np.arange(documents * own)).cast(pa.string()), "")
    lists = pa.ListArray.from_arrays(pa.array(np.arange(0, documents * own + 1, own, dtype=np.int32)), words)
    return pc.binary_join_element_wise(shared, pc.binary_join(lists, " "), " ")


def decide(make_context, folder, texts, **parameters):
    decisions = fuzzy(dataset_of(folder, texts), FuzzyParameters(width=1, **parameters), make_context(folder / "work"))
    removed = pq.read_table(decisions.uris[0]) if decisions.uris[0] else pa.table({"row": pa.array([], pa.int64())})
    return decisions, removed


def test_a_million_identical_documents_cost_one_row_each(make_context, tmp_path):
    decisions, removed = decide(make_context, tmp_path, pa.array(["a b c d e f"] * 10**6))
    assert decisions.counters["removed"] == decisions.counters["identical"] == 10**6 - 1
    assert decisions.effort["comparisons"] == 0
    assert pc.unique(removed["survivor"]).to_pylist() == ["d0"]
    assert removed["row"].to_numpy().tolist() == list(range(1, 10**6))


@pytest.mark.parametrize(("verify", "documents"), [("two_stage", 100_000), ("exact", 50_000)])
def test_near_identical_documents_whose_first_is_removed_by_an_outsider(make_context, tmp_path, verify, documents):
    """The outsider is similar to the first member alone (18 ÷ 22), and the others are to each other (20 ÷ 22)."""
    words = [f"w{number}" for number in range(20)]
    outsider, first = " ".join(["y0", "y1", *words[:18]]), " ".join(words)
    texts = pa.concat_arrays([pa.array([outsider, first]), family(documents, 20, 1)])
    decisions, removed = decide(make_context, tmp_path, texts, verify=verify)
    assert removed["row"].to_numpy().tolist() == [1, *range(3, documents + 2)]
    assert removed["survivor"].to_pylist() == ["d0", *["d2"] * (documents - 1)]
    assert removed["similarity"][0].as_py() == 18 / 22
    # Linear: a bucket of all of them would be 5 · 10⁹ pairs.
    assert decisions.effort["comparisons"] < 400 * documents


@pytest.mark.parametrize("verify", ["two_stage", "exact"])
@pytest.mark.parametrize(("common", "own"), [(28, 6), (30, 4)])
def test_a_template_below_the_threshold_stays_whole(make_context, tmp_path, verify, common, own):
    """Of similarity 0.7, and of 0.79, which sketches leave to the texts: the pairs are many, but none is put down."""
    decisions, removed = decide(make_context, tmp_path, family(4000, common, own), verify=verify)
    assert not len(removed)
    assert decisions.effort["comparisons"] > 10**6
    assert decisions.effort["crowded_tasks"] == 1
    assert decisions.effort["grey_pairs"] == 0


@pytest.mark.parametrize("verify", ["two_stage", "exact"])
def test_a_family_just_above_the_threshold_costs_a_comparison_each(make_context, tmp_path, verify):
    """Similarity 73 ÷ 89: no sketch can tell, so all must be compared by their texts, but only with the one that stays."""
    decisions, removed = decide(make_context, tmp_path, family(20_000, 73, 8), verify=verify)
    assert decisions.effort["comparisons"] < 100 * 20_000
    assert (removed["similarity"].to_numpy() >= 0.8).all()
    assert set(removed["survivor"].to_pylist()).isdisjoint(f"d{row}" for row in removed["row"].to_pylist())
    assert len(removed) > 0.95 * 20_000


@pytest.mark.parametrize("seed", range(4))
def test_stars_find_the_components_of_a_union(in_process_map, tmp_path, seed):
    """Random graphs, and a path in random order: the longest way for a label to go."""
    generator = np.random.default_rng(seed)
    count = 300
    placement = Placement([{"mapper": 0, "shards": [{"ordinal": 0, "uri": "", "rows": count}], "order": 0}], 1)
    pairs = generator.integers(0, count, (160, 2))
    if seed == 0:
        path = generator.permutation(200)
        pairs = np.stack([path[:-1], path[1:]], axis=1)[generator.permutation(199)]
    pairs = pairs[pairs[:, 0] != pairs[:, 1]].astype(np.uint64)
    labels = []
    for partitions in (1, 3):
        work = str(tmp_path / str(partitions))
        for part, chosen in enumerate(np.array_split(pairs, 2)):
            write_whole(edges_uri(work, part, 0), pa.table([chosen[:, 0], chosen[:, 1]], names=["first", "node"]))
        find_components(in_process_map(), work, [(0, 0), (1, 0)], placement, 50, partitions)
        found = {}
        for partition in range(partitions):
            with open_partitions(labels_uri(work, partition)) as file:
                table = file.read(file.groups(0))
            found |= dict(zip(table["node"].to_pylist(), table["component"].to_pylist(), strict=True))
        labels.append(found)
    assert labels[0] == labels[1]
    assert len(labels[0]) > 100
