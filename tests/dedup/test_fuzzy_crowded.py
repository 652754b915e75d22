"""Crowded tasks, whose pairs are judged with the texts at hand: in object storage, and where the texts of an earlier index are gone."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation_tasks.context import EarlierIndex
from curation_tasks.dedup.fuzzy import fuzzy
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters
from curation_tasks.storage.filesystem import delete, open_input, read_bytes

#: So little that a family takes several windows.
MEMORY = 2_000_000
PARAMETERS = FuzzyParameters(width=1)


def family(documents, seed):
    """Texts of 100 words: similarities to each other lie about the threshold, so that many stay, and many do not."""
    generator = np.random.default_rng(seed)
    texts = []
    for _ in range(documents):
        own = int(generator.integers(6, 16))
        texts.append(" ".join([*(f"w{word}" for word in range(100 - own)), *(f"x{word}" for word in generator.integers(0, 10**9, own))]))
    return texts


@pytest.fixture
def crowd(monkeypatch):
    """``crowd(few)``: tasks are crowded from so many pairs on."""
    return lambda few: monkeypatch.setattr("curation_tasks.dedup.comparison._FEW_EDGES", few)


def decided(decisions):
    """(shard, row) → survivor, its snapshot, similarity and kind."""
    tables = {shard: pq.read_table(open_input(uri)) for shard, uri in enumerate(decisions.uris) if uri}
    names = ("survivor", "survivor_snapshot", "similarity", "similarity_kind")
    return {(shard, row["row"]): tuple(row[name] for name in names) for shard, table in tables.items() for row in table.to_pylist()}


@pytest.mark.parametrize("verify", ["two_stage", "exact"])
def test_windows_of_a_crowd_in_object_storage(make_dataset, make_context, bucket, tmp_path, crowd, verify):
    texts, parameters = family(400, 1), PARAMETERS.model_copy(update={"verify": verify})
    shards = [texts[:150], texts[150:]]
    plain = fuzzy(make_dataset(tmp_path, shards), parameters, make_context(tmp_path / "plain"))
    assert plain.effort["crowded_tasks"] == 0
    crowd(500)
    here = fuzzy(make_dataset(tmp_path, shards), parameters, make_context(tmp_path / "work", memory_per_task=MEMORY))
    assert here.effort["crowded_tasks"] == 1
    assert len([*(tmp_path / "work" / "crowded" / "shingles").iterdir()]) > 1
    there = fuzzy(make_dataset(f"{bucket}/data", shards), parameters, make_context(f"{bucket}/work", memory_per_task=MEMORY))
    assert there.counters == here.counters == plain.counters
    assert 50 < here.counters["removed"] < 350
    assert [read_bytes(uri) for uri in there.uris] == [read_bytes(uri) for uri in here.uris] == [read_bytes(uri) for uri in plain.uris]


@pytest.mark.parametrize("gone", [False, True], ids=["texts there", "texts gone"])
def test_a_crowd_with_an_earlier_index(make_dataset, make_context, bucket, crowd, gone):
    """Without the texts of the index the sketches decide, crowded or not, and the decisions say so."""
    texts = family(300, 2)
    first = make_dataset(f"{bucket}/first", [texts[:100]])
    context = dataclasses.replace(make_context(f"{bucket}/work-1"), index=f"{bucket}/index")
    index = EarlierIndex("first", context.index, fuzzy(first, PARAMETERS, context).index["digest"])
    if gone:
        delete(first.uri(first.shards[0]))
    second = make_dataset(f"{bucket}/second", [texts[100:]])
    found = {}
    for few in (100_000, 500):
        crowd(few)
        context = dataclasses.replace(
            make_context(f"{bucket}/work-{few}", memory_per_task=MEMORY if few == 500 else 2**30), earlier=(index,)
        )
        decisions = fuzzy(second, PARAMETERS, context)
        assert decisions.effort["crowded_tasks"] == (few == 500)
        found[few] = decided(decisions), decisions.counters
    assert found[500] == found[100_000]
    decisions, counters = found[500]
    kinds = {(origin, kind) for _, origin, _, kind in decisions.values()}
    assert ("first", "estimate_no_text" if gone else "exact") in kinds
    assert counters["removed_without_text"] == sum(kind == "estimate_no_text" for *_, kind in decisions.values())
    assert (counters["removed_without_text"] > 0) == gone
    assert all(similarity >= 0.8 for _, _, similarity, kind in decisions.values() if kind == "exact")
