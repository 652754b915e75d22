"""Shards: bounded row groups, and a hash of values that representation does not change and content does."""

import datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curation_tasks.errors import InputError
from curation_tasks.schema import arrow_type
from curation_tasks.storage import shard as module
from curation_tasks.storage.shard import CanonicalHash, FileWriter, ShardWriter, conform, read_shard, string_buffers

TEXTS = st.lists(st.none() | st.text(max_size=6), max_size=12)
LISTS = st.lists(st.none() | st.lists(st.none() | st.text("ab", max_size=2), max_size=2), max_size=4)
EVIDENCE = {"cluster": "c", "survivor": None, "similarity": 0.5, "similarity_kind": "exact"}
VALUES = {
    "string": ["a", "é"], "binary": [b"a", b"\xff"], "bool": [True, False], "int8": [1, -1], "int16": [1, -1], "int32": [1, -1],
    "int64": [1, -(2**60)], "uint8": [1, 255], "uint16": [1, 2], "uint32": [1, 2], "uint64": [1, 2**64 - 1], "float": [0.5, 2.0],
    "double": [0.5, 2.0], "date32": [datetime.date(2026, 1, 1), datetime.date(1969, 1, 1)],
    "timestamp[us]": [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.datetime(1969, 1, 1, tzinfo=datetime.UTC)],
    "list<string>": [["a", None], []], "list<int64>": [[1, 2], [3]], "list<double>": [[0.5], [1.5]],
    "evidence": [EVIDENCE, EVIDENCE | {"cluster": "d"}],
    "list<span>": [[{"start": 0, "end": 2, "entity": "PERSON", "score": 0.5}], []],
}  # fmt: skip


def hash_of(*batches):
    total = CanonicalHash()
    for batch in batches:
        total.update(batch)
    return total.hexdigest()


def column(values, kind="string"):
    return pa.record_batch({"c": pa.array(values, arrow_type(kind))})


@given(texts=TEXTS, cuts=st.lists(st.integers(0, 12)), kind=st.sampled_from(["string", "large", "dictionary", "view"]))
def test_batching_slicing_and_layout_do_not_change_the_hash(texts, cuts, kind):
    layouts = {"large": pa.large_string(), "dictionary": pa.dictionary(pa.int32(), pa.string()), "view": pa.string_view()}
    array = pa.array(["before", *texts, "after"], pa.string())
    array = array.dictionary_encode() if kind == "dictionary" else array.cast(layouts.get(kind, pa.string()))
    array = array.slice(1, len(texts))
    lists = pa.array([[], *[[text, text] if text else None for text in texts]], pa.list_(pa.string())).slice(1)
    whole = pa.record_batch({"c": array, "l": lists})
    bounds = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    pieces = [whole.slice(start, end - start) for start, end in pairwise(bounds)]
    plain = pa.record_batch({"c": pa.array(texts, pa.string()), "l": pa.array(lists.to_pylist(), pa.list_(pa.string()))})
    assert hash_of(*pieces) == hash_of(plain)


@given(first=TEXTS, second=TEXTS)
def test_other_texts_have_another_hash(first, second):
    assume(first != second)
    assert hash_of(column(first)) != hash_of(column(second))


@given(first=LISTS, data=st.data())
def test_other_lists_have_another_hash(first, data):
    second = data.draw(
        st.permutations(first) | st.lists(st.none() | st.lists(st.none() | st.text("ab", max_size=2), max_size=2), max_size=4)
    )
    assume(first != second)
    assert hash_of(column(first, "list<string>")) != hash_of(column(second, "list<string>"))


@pytest.mark.parametrize("kind", list(VALUES))
def test_each_type_is_written_read_and_hashed(tmp_path, kind):
    one, two = VALUES[kind]
    variants = [[one, two, None], [two, one, None], [one, None, two], [None, two, None], [one, two], [one, two, one], [None, None, None]]
    hashes = []
    for number, values in enumerate(variants):
        with ShardWriter(str(tmp_path), f"{number}.parquet", {"c": kind}) as writer:
            writer.write(column(values, kind))
        read = list(read_shard(f"{tmp_path}/{number}.parquet"))
        assert pa.Table.from_batches(read) == pa.Table.from_batches([column(values, kind)])
        assert hash_of(*read) == hash_of(*[read[0].slice(row, 1) for row in range(len(values))]) == writer.shard.hash
        hashes.append(writer.shard.hash)
    assert len(set(hashes)) == len(hashes)


def test_every_column_type_is_tried():
    from curation_tasks.schema import COLUMN_TYPES

    assert set(VALUES) == set(COLUMN_TYPES)


def test_names_types_and_the_place_of_a_value_are_part_of_the_hash():
    one = pa.array(["a"])
    hashes = [
        hash_of(pa.record_batch({"x": one, "y": pa.array(["b"])})),
        hash_of(pa.record_batch({"x": pa.array(["b"]), "y": one})),
        hash_of(pa.record_batch({"x": one, "z": pa.array(["b"])})),
        hash_of(pa.record_batch({"x": one})),
        hash_of(pa.record_batch({"x": one.cast(pa.binary())})),
        hash_of(column([1], "int32")),
        hash_of(column([1], "int64")),
        hash_of(column(["ab", "c"])),
        hash_of(column(["a", "bc"])),
        hash_of(column([""])),
        hash_of(column([None])),
        hash_of(column([0.0], "double")),
        hash_of(column([float("nan")], "double")),
        hash_of(),
    ]
    assert len(set(hashes)) == len(hashes)


def test_the_order_of_columns_and_the_bits_of_a_nan_are_not():
    first, second = pa.array(["a"]), pa.array([1])
    assert hash_of(pa.record_batch({"x": first, "y": second})) == hash_of(pa.record_batch({"y": second, "x": first}))
    nans = np.array([0x7FF8000000000000, 0x7FF8000000000001], np.uint64).view(np.float64)
    assert hash_of(column(nans[:1], "double")) == hash_of(column(nans[1:], "double"))


def test_values_hidden_under_nulls_do_not_count():
    for values in (np.array([1, 7]), np.array([0.5, 7.0])):
        hidden = pa.array(values, mask=np.array([False, True]))
        clean = pa.array([values[0], None], hidden.type)
        assert hash_of(pa.record_batch({"c": hidden})) == hash_of(pa.record_batch({"c": clean}))
    offsets, mask = pa.array([0, 1, 2], pa.int32()), pa.array([False, True])
    hidden = pa.ListArray.from_arrays(offsets, pa.array([1, 7]), mask=mask)
    assert hash_of(pa.record_batch({"c": hidden})) == hash_of(column([[1], None], "list<int64>"))
    hidden = pa.StructArray.from_arrays([pa.array([1, 7])], ["f"], mask=mask)
    clean = pa.array([{"f": 1}, None], hidden.type)
    assert hash_of(pa.record_batch({"c": hidden})) == hash_of(pa.record_batch({"c": clean}))


@pytest.mark.parametrize("batch_rows", [1, 7, 300])
def test_row_groups_are_bounded_however_rows_arrive(tmp_path, monkeypatch, batch_rows):
    monkeypatch.setattr(module, "ROW_GROUP_TEXT_BYTES", 1000)
    monkeypatch.setattr(module, "ROW_GROUP_ROWS", 20)
    texts = ["x" * (number * 37 % 150) for number in range(290)] + [None] * 10
    with ShardWriter(str(tmp_path), "part.parquet", {"text": "string"}) as writer:
        for start in range(0, 300, batch_rows):
            writer.write(pa.record_batch({"text": pa.array(texts[start : start + batch_rows], pa.string())}))
    groups = list(read_shard(f"{tmp_path}/part.parquet"))
    assert [text for group in groups for text in group.column("text").to_pylist()] == texts
    assert max(len(group) for group in groups) <= 20
    assert max(sum(len(text or "") for text in group.column("text").to_pylist()) for group in groups) <= 1000
    assert (writer.shard.rows, writer.shard.text_bytes) == (300, sum(len(text or "") for text in texts))
    assert writer.shard.hash == hash_of(pa.record_batch({"text": pa.array(texts, pa.string())}))


def test_a_document_larger_than_a_row_group_has_one_of_its_own(tmp_path):
    texts = ["small", "é" * (25 * 2**20), "small too"]
    with ShardWriter(str(tmp_path), "part.parquet", {"text": "string"}) as writer:
        writer.write(pa.record_batch({"text": texts}))
    groups = [group.column("text").to_pylist() for group in read_shard(f"{tmp_path}/part.parquet")]
    assert [len(group) for group in groups] == [1, 1, 1]
    assert [group[0] for group in groups] == texts
    assert writer.shard.text_bytes == 50 * 2**20 + 14


def test_a_shard_without_rows_carries_its_schema(tmp_path):
    with ShardWriter(str(tmp_path), "part.parquet", {"doc_id": "string", "evidence": "evidence"}) as writer:
        pass
    (batch,) = read_shard(f"{tmp_path}/part.parquet")
    assert (len(batch), batch.schema.names, writer.shard.rows) == (0, ["doc_id", "evidence"], 0)
    (batch,) = read_shard(f"{tmp_path}/part.parquet", ["doc_id"])
    assert batch.schema.names == ["doc_id"]


def test_the_shard_tells_size_and_sha256_of_its_file(tmp_path):
    import hashlib

    with ShardWriter(str(tmp_path), "part.parquet", {"text": "string"}) as writer:
        writer.write(pa.record_batch({"text": ["story"]}))
    data = (tmp_path / "part.parquet").read_bytes()
    assert (writer.shard.bytes, writer.shard.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    with FileWriter(f"{tmp_path}/export") as plain:
        plain.file.write(b"line\n")
    assert (plain.file.bytes, plain.file.sha256.hexdigest()) == (5, hashlib.sha256(b"line\n").hexdigest())


def test_a_failing_block_leaves_no_shard(tmp_path):
    writer = ShardWriter(str(tmp_path), "part.parquet", {"text": "string"})

    def fail():
        with writer:
            writer.write(pa.record_batch({"text": ["story"]}))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert writer.shard is None
    assert list(tmp_path.iterdir()) == []


def test_batches_are_made_to_conform_or_refused():
    schema = module.arrow_schema({"text": "string", "n": "int64"})
    batch = pa.record_batch({"n": pa.array([1], pa.int32()), "more": ["x"], "text": pa.array(["a"], pa.large_string())})
    assert conform(batch, schema).to_pylist() == [{"text": "a", "n": 1}]
    with pytest.raises(InputError, match="column 'n' is missing"):
        conform(batch.select(["text"]), schema)
    with pytest.raises(InputError, match="column 'n' holds string"):
        conform(pa.record_batch({"text": ["a"], "n": ["many"]}), schema)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "head", "page"])
def test_a_damaged_file_is_an_input_error_that_names_it(tmp_path, damage):
    place = tmp_path / "part.parquet"
    table = pa.table({"text": [f"story {number}" for number in range(5000)]})
    pq.write_table(table, place, compression="zstd")
    data = place.read_bytes()
    middle = len(data) // 3
    damaged = {
        "empty": b"", "text": b"not Parquet at all", "cut": data[: len(data) // 2], "head": b"PAR1" + data[-2000:],
        "page": data[:middle] + bytes(500) + data[middle + 500 :],
    }  # fmt: skip
    place.write_bytes(damaged[damage])
    with pytest.raises(InputError, match=str(place)):
        list(read_shard(str(place)))


def test_string_buffers_are_views_of_slices():
    array = pa.array(["ab", "", None, "cde"]).slice(1)
    offsets, data = string_buffers(array)
    assert [bytes(data[start:end]) for start, end in pairwise(offsets)] == [b"", b"", b"cde"]
    assert not data.flags.owndata
