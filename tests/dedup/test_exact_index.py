"""Exact de-duplication against indexes: snapshot after snapshot equals one pass over all of them."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_tasks.context import EarlierIndex
from curation_tasks.dedup import key_index
from curation_tasks.dedup.catalog import ExactParameters
from curation_tasks.dedup.exact import exact
from curation_tasks.errors import ConfigError
from curation_tasks.index import erase, read_index

TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh") | st.none(), max_size=8), max_size=3)


def removed(decisions):
    return {
        (shard, row["row"]): row["survivor"] for shard, uri in enumerate(decisions.uris) if uri for row in pq.read_table(uri).to_pylist()
    }


@pytest.fixture(scope="module")
def run(make_dataset, make_context):
    """``run(folder, shards, earlier, …)``: decisions and the index of one snapshot, whose identities begin with the folder's name."""

    def one(folder, shards, earlier=(), memory=2**30, task_map=None, keep="first"):
        ids = [[f"{folder.name}-{shard}-{row}" for row in range(len(texts))] for shard, texts in enumerate(shards)]
        dataset = make_dataset(folder, shards, 3, {"doc_id": ("string", ids)})
        context = dataclasses.replace(make_context(folder / "work", task_map, memory), index=str(folder / "index"), earlier=tuple(earlier))
        decisions = exact(dataset, ExactParameters(keep=keep), context)
        return decisions, EarlierIndex(folder.name, context.index, decisions.index["digest"])

    return one


@settings(max_examples=15)
@given(
    snapshots=st.lists(TEXTS, min_size=1, max_size=3), memory=st.sampled_from([2**30, 700]), partition_rows=st.sampled_from([1, 3, 10**6]),
    keep=st.sampled_from(["first", "longest"]),
)  # fmt: skip
def test_snapshot_after_snapshot_is_one_pass_over_all(run, snapshots, memory, partition_rows, keep):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_index, "_PARTITION_ROWS", partition_rows)
        first, expected, indexes, found = {}, {}, [], {}
        for name, shards in enumerate(snapshots):
            decisions, index = run(Path(folder) / str(name), shards, indexes, memory, keep=keep)
            found |= {(name, *place): survivor for place, survivor in removed(decisions).items()}
            indexes.append(index)
            kept = {}
            for shard, texts in enumerate(shards):
                for row, text in enumerate(texts):
                    if text is not None:
                        kept.setdefault(text, []).append((f"{name}-{shard}-{row}", (name, shard, row)))
            for text, documents in kept.items():
                best = first.get(text) or min(documents, key=lambda item: _rank(keep, item))[0]
                expected |= {place: best for doc_id, place in documents if doc_id != best}
                first[text] = best
        assert found == expected
        assert sum(read_index(index.uri).documents for index in indexes) == len(first)


def _rank(keep, item):
    return item[1] if keep == "first" else (xxhash.xxh3_64_intdigest(item[0].encode()), item[1])


def test_memory_and_a_crash_leave_the_digest_of_the_index_the_same(run, in_process_map, tmp_path, monkeypatch):
    monkeypatch.setattr(key_index, "_PARTITION_ROWS", 40)
    monkeypatch.setattr(key_index, "_ROW_GROUP", 7)
    shards = [[f"text {n % 150}" for n in range(start, start + 90)] for start in (0, 60, 120)]
    whole = in_process_map()
    _, earlier = run(tmp_path / "earlier", [[f"text {n}" for n in range(0, 300, 7)]])
    decisions, index = run(tmp_path / "s", shards, [earlier], 4000, whole)
    assert len(read_index(index.uri).files) == 7
    expected = removed(decisions), index.digest
    assert len(expected[0]) == 270 - 150 + len(range(0, 150, 7))
    for crash_at in (whole.calls // 2, whole.calls - 4, whole.calls):
        task_map = in_process_map(crash_at=crash_at)
        folder = tmp_path / str(crash_at) / "s"
        with pytest.raises(KeyboardInterrupt):
            run(folder, shards, [earlier], 4000, task_map)
        decisions, index = run(folder, shards, [earlier], 2**30, task_map)
        assert (removed(decisions), index.digest) == expected


def test_an_erased_document_removes_nothing_and_the_next_index_takes_over(run, tmp_path):
    _, books = run(tmp_path / "books", [["a", "b"]])
    _, first = run(tmp_path / "first", [["a", "c"]])
    decisions, _ = run(tmp_path / "second", [["a", "b", "c"]], [books, first])
    assert removed(decisions) == {(0, 0): "books-0-0", (0, 1): "books-0-1", (0, 2): "first-0-1"}
    books = dataclasses.replace(books, digest=erase(books.uri, ["books-0-0", "books-0-1"]).digest)
    decisions, index = run(tmp_path / "third", [["a", "b", "c"]], [books, first])
    assert removed(decisions) == {(0, 0): "first-0-0", (0, 2): "first-0-1"}
    assert read_index(index.uri).documents == 1


def test_equal_upper_halves_are_told_apart():
    high, low = np.array([1, 1, 1, 4], np.uint64), np.array([2, 5, 9, 2], np.uint64)
    theirs, ours = key_index._matches(np.array([0, 1, 1, 1, 4, 5], np.uint64), np.array([2, 9, 2, 3, 2, 1], np.uint64), high, low)
    assert (theirs.tolist(), ours.tolist()) == ([1, 2, 4], [2, 0, 3])


def test_an_index_of_other_columns_is_refused(run, tmp_path, make_dataset, make_context):
    _, index = run(tmp_path / "first", [["a"]])
    dataset = make_dataset(tmp_path / "second", [["a"]])
    context = dataclasses.replace(make_context(tmp_path / "work"), earlier=(index,))
    with pytest.raises(ConfigError, match=r"columns: \['text'\] there, \['doc_id'\] here"):
        exact(dataset, ExactParameters(column="doc_id"), context)
