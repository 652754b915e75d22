"""Exact deduplication: the same decisions as a dictionary makes, however the work is cut, ordered or interrupted."""

import itertools
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation_tasks.dedup import exact as module
from curation_tasks.dedup import keys
from curation_tasks.dedup.catalog import PARTS, ExactParameters
from curation_tasks.dedup.exact import exact
from curation_tasks.dedup.grouping import grouped
from curation_tasks.errors import ConfigError
from curation_tasks.storage.filesystem import read_bytes

WORDS = ["", " ", "a", "A", "a ", " a", "b", "b\n", "ß", "é", "e\u0301", "İ", None]
SHARDS = st.lists(st.lists(st.sampled_from(WORDS), max_size=12), max_size=5)


def read(decisions):
    """(shard, row) → evidence, and the order of each file checked on the way."""
    found = {}
    for shard, uri in enumerate(decisions.uris):
        if uri:
            rows = pq.read_table(uri).to_pylist()
            assert rows
            assert [row["row"] for row in rows] == sorted(row["row"] for row in rows)
            found |= {(shard, row.pop("row")): row for row in rows}
    return found


def oracle(shards, normalize=lambda text: text):
    """What a dictionary of texts decides."""
    first, removed, sizes = {}, {}, Counter()
    for shard, texts in enumerate(shards):
        for row, text in enumerate(texts):
            if text is None:
                continue
            text = normalize(text)
            sizes[text] += 1
            if text in first:
                removed[shard, row] = {
                    "reason": "exact_duplicate", "cluster": xxhash.xxh3_128_hexdigest(text.encode()), "survivor": first[text],
                    "similarity": 1.0, "similarity_kind": "exact", "survivor_snapshot": None,
                }  # fmt: skip
            else:
                first[text] = f"doc-{shard}-{row}"
    several = [size for size in sizes.values() if size > 1]
    return removed, {"clusters": len(several), "removed": len(removed), "largest_cluster": max(several, default=0)}


@settings(max_examples=60)
@given(shards=SHARDS, memory=st.sampled_from([2**30, 4096, 800]), reverse=st.booleans(), row_group=st.sampled_from([None, 1, 5]))
def test_decides_as_a_dictionary_of_texts(make_dataset, make_context, in_process_map, shards, memory, reverse, row_group):
    with tempfile.TemporaryDirectory() as folder:
        dataset = make_dataset(Path(folder), shards, row_group)
        context = make_context(Path(folder) / "work", in_process_map(reverse=reverse), memory)
        decisions = exact(dataset, ExactParameters(), context)
        expected, counters = oracle(shards)
        assert read(decisions) == expected
        assert decisions.counters == counters
        assert len(decisions.uris) == len(shards)


def test_partitions_order_and_grouping_of_shards_leave_every_byte_the_same(
    make_dataset, make_context, in_process_map, tmp_path, monkeypatch
):
    generator = np.random.default_rng(7)
    shards = [[f"text {number}" for number in generator.integers(0, 150, size)] for size in (90, 0, 200, 1, 60)]
    dataset = make_dataset(tmp_path, shards, row_group=40)
    outputs = []
    for memory, reverse, mappers in itertools.product([2**30, 2048, 900], [False, True], [512, 2]):
        monkeypatch.setattr(module, "_MAPPERS", mappers)
        context = make_context(tmp_path / f"work-{len(outputs)}", in_process_map(reverse=reverse), memory)
        decisions = exact(dataset, ExactParameters(), context)
        outputs.append((decisions.counters, [Path(uri).read_bytes() if uri else b"" for uri in decisions.uris]))
    assert context.partitions_for(dataset.rows * module._GROUPING_BYTES) > 50
    assert all(output == outputs[0] for output in outputs)
    assert read(decisions) == oracle(shards)[0]


def test_a_crash_after_any_item_changes_nothing(make_dataset, make_context, in_process_map, tmp_path):
    shards = [["a", "b", "a"], ["b", "c"], ["c", "a", "d"]]
    dataset = make_dataset(tmp_path, shards)
    whole = in_process_map()
    expected = read(exact(dataset, ExactParameters(), make_context(tmp_path / "whole", whole, 400)))
    assert expected == oracle(shards)[0]
    # A retry may be given more or less memory than the try that died.
    for crash_at, memory in itertools.product(range(1, whole.calls + 1), (400, 40, 4000)):
        task_map = in_process_map(crash_at=crash_at)
        work = tmp_path / f"work-{crash_at}-{memory}"
        with pytest.raises(KeyboardInterrupt):
            exact(dataset, ExactParameters(), make_context(work, task_map, 400))
        assert read(exact(dataset, ExactParameters(), make_context(work, task_map, memory))) == expected
        if memory == 400:
            assert task_map.calls == whole.calls + 1


@pytest.mark.parametrize(
    ("normalization", "normalize"),
    [
        (["lower"], str.lower),
        (["whitespace"], lambda text: " ".join(text.split())),
        (["whitespace", "lower"], lambda text: " ".join(text.lower().split())),
    ],
)
def test_normalization_says_which_differences_count(make_dataset, make_context, tmp_path, normalization, normalize):
    shards = [["One day", "one day", "One  day ", "\u2003One\u00a0day\n"], ["ONE DAY", "Oneday", " ", "", "\t\u3000\x85"]]
    dataset = make_dataset(tmp_path, shards)
    decisions = exact(dataset, ExactParameters(normalization=normalization), make_context(tmp_path / "work"))
    assert read(decisions) == oracle(shards, normalize)[0]


def test_without_normalization_a_trailing_space_makes_another_document(make_dataset, make_context, tmp_path):
    decisions = exact(make_dataset(tmp_path, [["story", "story ", "story"]]), ExactParameters(), make_context(tmp_path / "work"))
    assert list(read(decisions)) == [(0, 2)]


def test_nulls_stay_and_empty_texts_are_one_text(make_dataset, make_context, tmp_path):
    decisions = exact(make_dataset(tmp_path, [[None, "", None], ["", None]]), ExactParameters(), make_context(tmp_path / "work"))
    assert list(read(decisions)) == [(1, 0)]


def test_object_storage_serves_as_well_as_a_disk(make_dataset, make_context, bucket, tmp_path):
    shards = [["a", "b", "a"], [], ["b", "c"], ["c", "a", "d"]]
    here = exact(make_dataset(tmp_path, shards), ExactParameters(), make_context(tmp_path / "work", memory_per_task=400))
    there = exact(make_dataset(f"{bucket}/data", shards), ExactParameters(), make_context(f"{bucket}/work", memory_per_task=400))
    assert there.counters == here.counters == oracle(shards)[1]
    assert [uri and read_bytes(uri) for uri in there.uris] == [uri and read_bytes(uri) for uri in here.uris]


def test_equal_halves_of_a_hash_make_no_duplicate():
    high, low = np.array([1, 1, 2, 1, 2], np.uint64), np.array([5, 6, 5, 5, 6], np.uint64)
    best, members, group = grouped(high, low)
    assert (best.tolist(), members.tolist(), group.tolist()) == ([0, 1, 2, 4], [0, 3, 1, 2, 4], [0, 0, 1, 2, 3])
    best, members, group = grouped(high, low, np.arange(5)[::-1])
    assert (best.tolist(), members.tolist(), group.tolist()) == ([3, 1, 2, 4], [3, 0, 1, 2, 4], [0, 0, 1, 2, 3])


def test_texts_whose_hashes_share_a_half_all_stay(make_dataset, make_context, tmp_path, monkeypatch):
    def forged(texts):
        return np.array([[7, int(text)] if int(text) % 2 else [int(text), 7] for text in texts.to_pylist()], np.uint64)

    monkeypatch.setattr(keys, "text_hashes", forged)
    dataset = make_dataset(tmp_path, [[str(number) for number in range(40)], ["3", "12"]])
    decisions = exact(dataset, ExactParameters(), make_context(tmp_path / "work", memory_per_task=2000))
    assert {place: row["survivor"] for place, row in read(decisions).items()} == {(1, 0): "doc-0-3", (1, 1): "doc-0-12"}


def test_a_run_of_a_mapper_holds_no_more_than_its_share(make_dataset, make_context, tmp_path, monkeypatch):
    dataset = make_dataset(tmp_path, [[str(number % 500) for number in range(5000)]], row_group=100)
    sizes = []
    runs = module.runs
    monkeypatch.setattr(module, "runs", lambda tables, limit: (sizes.append(run.nbytes) or run for run in runs(tables, limit)))
    memory = 80_000
    decisions = exact(dataset, ExactParameters(), make_context(tmp_path / "work", memory_per_task=memory))
    assert len(sizes) > 10
    assert max(sizes) < memory / module._RUN_SHARE + 100 * 40
    assert decisions.counters == {"clusters": 500, "removed": 4500, "largest_cluster": 10}


def test_a_column_that_is_not_text_is_refused(make_dataset, make_context, tmp_path):
    dataset = make_dataset(tmp_path, [["a"]])
    with pytest.raises(ConfigError, match="column 'body', which does not exist; known: doc_id, text"):
        exact(dataset, ExactParameters(column="body"), make_context(tmp_path / "work"))


def test_another_column_can_be_compared(make_dataset, make_context, tmp_path):
    decisions = exact(make_dataset(tmp_path, [["a", "a"]]), ExactParameters(column="doc_id"), make_context(tmp_path / "work"))
    assert decisions.uris == [""]
    assert decisions.counters == {"clusters": 0, "removed": 0, "largest_cluster": 0}


def test_the_part_names_its_reads_and_libraries_by_its_parameters():
    (part,) = [part for part in PARTS if part.name == "dedup.exact"]
    assert part.load() is exact
    assert part.reads_of(ExactParameters(column="url")) == ("doc_id", "url")
    assert part.library_names(ExactParameters()) == ()
    assert part.library_names(ExactParameters(normalization=["lower"])) == ("pyarrow",)
    assert ExactParameters(normalization=["whitespace", "lower", "lower"]) == ExactParameters(normalization=["lower", "whitespace"])
    with pytest.raises(ValidationError):
        ExactParameters(normalization=["upper"])
