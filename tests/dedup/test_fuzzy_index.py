"""Snapshots one after the other: the same as all at once, whatever their order, once stale ones are run again."""

import dataclasses
import itertools

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation_tasks.context import EarlierIndex
from curation_tasks.dedup import near_duplicates as module
from curation_tasks.dedup.fuzzy import fuzzy
from curation_tasks.dedup.fuzzy_parts import FuzzyParameters, SimhashParameters
from curation_tasks.dedup.simhash import simhash
from curation_tasks.errors import ConfigError, InputError
from curation_tasks.index import erase, read_index

PARAMETERS = FuzzyParameters(width=1)


def documents(seed, families=8, members=9, words=30):
    """Chains of versions in random order."""
    generator = np.random.default_rng(seed)
    texts = []
    for _ in range(families):
        text = [f"w{number}" for number in generator.integers(0, 9000, words)]
        for _ in range(members):
            texts.append(" ".join(text))
            for place in generator.integers(0, words, generator.integers(0, 4)):
                text[place] = f"x{generator.integers(0, 9000)}"
    return [texts[place] for place in generator.permutation(len(texts))]


class Snapshots:
    """Runs snapshots, each with the indexes of those before it that are there, and keeps what was run."""

    def __init__(self, make_dataset, make_context, folder, texts, run=fuzzy, parameters=PARAMETERS):
        size = len(texts) // 3
        self.make_context, self.folder, self.run, self.parameters = make_context, folder, run, parameters
        self.texts = [texts[:size], texts[size : 2 * size], texts[2 * size :]]
        self.datasets = [make_dataset(folder / f"data-{number}", [part[:7], part[7:]]) for number, part in enumerate(self.texts)]
        self.done = {}

    def __call__(self, number, earlier, memory=2**30):
        """What stays of a snapshot, and its index."""
        key = (number, earlier, memory)
        if key not in self.done:
            place = f"{number}-{len(self.done)}"
            context = self.make_context(self.folder / f"work-{place}", memory_per_task=memory)
            context = dataclasses.replace(context, earlier=earlier, index=str(self.folder / f"index-{place}"))
            decisions = self.run(self.datasets[number], self.parameters, context)
            removed = {(shard, row) for shard, uri in enumerate(decisions.uris) if uri for row in pq.read_table(uri)["row"].to_pylist()}
            rows = [(shard, row) for shard, count in enumerate((7, len(self.texts[number]) - 7)) for row in range(count)]
            kept = frozenset((number, *row) for row in rows if row not in removed)
            self.done[key] = kept, EarlierIndex(str(number), context.index, decisions.index["digest"]), decisions
        return self.done[key]


@pytest.fixture
def snapshots(make_dataset, make_context, tmp_path):
    return Snapshots(make_dataset, make_context, tmp_path, documents(3))


def in_order(snapshots):
    indexes, kept = (), []
    for number in range(3):
        stays, index, _ = snapshots(number, indexes)
        indexes, kept = (*indexes, index), [*kept, stays]
    return kept, indexes


def test_one_after_the_other_is_all_at_once(snapshots, make_dataset, make_context, tmp_path):
    kept, indexes = in_order(snapshots)
    whole = make_dataset(tmp_path / "whole", [part for texts in snapshots.texts for part in (texts[:7], texts[7:])])
    decisions = fuzzy(whole, PARAMETERS, make_context(tmp_path / "whole-work"))
    removed = {(shard, row) for shard, uri in enumerate(decisions.uris) if uri for row in pq.read_table(uri)["row"].to_pylist()}
    rows = [(shard, row) for shard, info in enumerate(whole.shards) for row in range(info.rows)]
    assert {(shard // 2, shard % 2, row) for shard, row in rows if (shard, row) not in removed} == set().union(*kept)
    assert len(removed) > 30
    assert read_index(indexes[0].uri).documents == len(kept[0])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_every_order_ends_in_the_same_once_stale_snapshots_are_run_again(snapshots, order):
    expected, final = in_order(snapshots)
    state = {}
    for number in order:
        earlier = tuple(state[before][1] for before in range(number) if before in state)
        state[number] = (*snapshots(number, earlier)[:2], earlier)
    for number in range(3):
        present = tuple(state[before][1] for before in range(number))
        if [index.digest for index in present] != [index.digest for index in state[number][2]]:
            state[number] = (*snapshots(number, present)[:2], present)
    assert [state[number][0] for number in range(3)] == expected
    assert [state[number][1].digest for number in range(3)] == [index.digest for index in final]


def test_an_index_does_not_hang_on_memory(snapshots, monkeypatch):
    _, index, _ = snapshots(0, ())
    monkeypatch.setattr(module, "SLICE_BYTES", 10_000)
    _, other, _ = snapshots(0, (), memory=20_000)
    assert other.digest == index.digest
    assert read_index(other.uri).bytes > 0


def test_an_index_in_many_partitions_finds_the_same(snapshots, monkeypatch):
    expected, _ = in_order(snapshots)
    snapshots.done.clear()
    monkeypatch.setattr(module, "INDEX_PARTITION_ROWS", 97)
    kept, indexes = in_order(snapshots)
    assert kept == expected
    assert len(read_index(indexes[0].uri).files) >= 8


def edited(make_dataset, make_context, tmp_path):
    """One text, and a later snapshot with a version of which a sketch cannot tell whether it is similar."""
    text = " ".join(f"w{number}" for number in range(60))
    close = " ".join(f"w{number}" for number in range(6, 66))
    first = make_dataset(tmp_path / "first", [[text, "nothing like it"]])
    second = make_dataset(tmp_path / "second", [[close, text.upper(), "new"]])
    context = dataclasses.replace(make_context(tmp_path / "work-1"), index=str(tmp_path / "index"))
    digest = fuzzy(first, PARAMETERS, context).index["digest"]
    return first, second, EarlierIndex("first", str(tmp_path / "index"), digest)


def removed_by(decisions):
    return {row["row"]: (row["survivor"], row["similarity_kind"]) for row in pq.read_table(decisions.uris[0]).to_pylist()}


def test_texts_of_an_earlier_snapshot_decide_while_they_are_there(make_dataset, make_context, tmp_path):
    first, second, index = edited(make_dataset, make_context, tmp_path)
    context = dataclasses.replace(make_context(tmp_path / "work-2"), earlier=(index,))
    assert removed_by(fuzzy(second, PARAMETERS, context)) == {0: ("doc-0-0", "exact"), 1: ("doc-0-0", "exact")}
    (tmp_path / "first" / first.shards[0].path).unlink()
    context = dataclasses.replace(make_context(tmp_path / "work-3"), earlier=(index,))
    decisions = fuzzy(second, PARAMETERS, context)
    assert decisions.effort["grey_pairs_without_text"] == 1
    assert removed_by(decisions)[1] == ("doc-0-0", "exact")  # identical shingles need no text
    assert removed_by(decisions).get(0, ("doc-0-0", "estimate_no_text")) == ("doc-0-0", "estimate_no_text")


def test_an_erased_document_removes_nothing_any_more(make_dataset, make_context, tmp_path):
    _, second, index = edited(make_dataset, make_context, tmp_path)
    digest = erase(index.uri, ["doc-0-0"]).digest
    assert digest != index.digest
    with pytest.raises(InputError, match="changed since this run was resolved"):
        fuzzy(second, PARAMETERS, dataclasses.replace(make_context(tmp_path / "work-2"), earlier=(index,)))
    context = dataclasses.replace(make_context(tmp_path / "work-3"), earlier=(dataclasses.replace(index, digest=digest),))
    assert removed_by(fuzzy(second, PARAMETERS, context)) == {1: ("doc-0-0", "exact")}  # of its own snapshot


@pytest.mark.parametrize("change", [{"width": 2}, {"seed": 1}, {"normalization": ["lower"]}, {"recall": 0.99}, {"hashes": 512}])
def test_an_index_of_other_parameters_is_refused(make_dataset, make_context, tmp_path, change):
    _, second, index = edited(make_dataset, make_context, tmp_path)
    context = dataclasses.replace(make_context(tmp_path / "work-2"), earlier=(index,))
    with pytest.raises(ConfigError, match="first"):
        fuzzy(second, PARAMETERS.model_validate(PARAMETERS.model_dump() | change), context)
    with pytest.raises(ConfigError, match="first"):
        simhash(second, SimhashParameters(), context)


def test_the_policy_and_the_verdicts_may_change(make_dataset, make_context, tmp_path):
    _, second, index = edited(make_dataset, make_context, tmp_path)
    context = dataclasses.replace(make_context(tmp_path / "work-2"), earlier=(index,))
    changed = PARAMETERS.model_validate(PARAMETERS.model_dump() | {"keep": {"policy": "longest"}, "verify": "exact"})
    assert set(removed_by(fuzzy(second, changed, context))) == {0, 1}


@pytest.mark.parametrize("name", ["bands/00000.parquet", "fingerprints/00000.parquet", "documents/00000.parquet", "index.json"])
def test_a_missing_file_is_an_error_and_never_an_empty_match(make_dataset, make_context, tmp_path, name):
    _, second, index = edited(make_dataset, make_context, tmp_path)
    (tmp_path / "index" / name).unlink()
    with pytest.raises(InputError, match=name.split("/")[-1]):
        fuzzy(second, PARAMETERS, dataclasses.replace(make_context(tmp_path / "work-2"), earlier=(index,)))
