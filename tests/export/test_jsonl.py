"""The JSON Lines export: what a consumer reads is what was written, and equal input gives equal bytes."""

import gzip
import io
import json
import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.errors import ConfigError
from curation_tasks.export.catalog import JsonlExportParameters
from curation_tasks.export.jsonl import write_jsonl

AWKWARD = 'a\x00\x01\x1f\x7f\u2028\u2029é😀"\\/\n\t\r\b\f\ufeff\ue000\U0010ffff\x85'


def written(*batches: pa.RecordBatch, **parameters: object) -> bytes:
    output = io.BytesIO()
    write_jsonl(iter(batches), output, JsonlExportParameters(**parameters))
    return output.getvalue()


def documents(*texts: str | None) -> pa.RecordBatch:
    return pa.record_batch({"text": pa.array(texts, pa.string()), "doc_id": pa.array([str(row) for row in range(len(texts))])})


def objects(data: bytes) -> list[dict]:
    assert data == b"" or data.endswith(b"\n")
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_any_text_reads_back(texts: list[str | None]):
    assert [row["text"] for row in objects(written(documents(*texts)))] == texts


def test_only_what_json_demands_is_escaped():
    assert "\u2028é😀".encode() in written(documents("\u2028é😀"))


def test_rows_keep_their_order_across_batches_of_many_rows():
    numbers = [f"text {row}" for row in range(60_000)]
    assert [row["text"] for row in objects(written(documents(*numbers), documents(), documents("last")))] == [*numbers, "last"]


def test_metadata_of_every_type_reads_back():
    batch = pa.record_batch(
        {
            "text": ["a"],
            "count": pa.array([2**63 - 1]),
            "ratio": [0.1],
            "nothing": pa.array([math.nan]),
            "flag": [True],
            "names": [["x", None]],
            "day": pa.array([18263], pa.date32()),
            "evidence": [{"survivor": "b", "similarity": 1.0}],
        }
    )
    row = {"text": "a", "count": 2**63 - 1, "ratio": 0.1, "nothing": None, "flag": True, "names": ["x", None], "day": "2020-01-02"}
    assert objects(written(batch)) == [row]
    assert objects(written(batch, columns=["evidence", "text"])) == [{"evidence": {"survivor": "b", "similarity": 1.0}, "text": "a"}]


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_equal_input_gives_equal_bytes_and_decompresses_to_the_plain_ones(compression: str, monkeypatch: pytest.MonkeyPatch):
    batches = [documents(AWKWARD, "b" * 100_000), documents("c")]
    first = written(*batches, compression=compression)
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert written(*batches, compression=compression) == first
    plain = {
        "none": lambda data: data,
        "gzip": gzip.decompress,
        "zstd": lambda data: pa.CompressedInputStream(pa.BufferReader(data), "zstd").read(),
    }[compression](first)
    assert plain == written(*batches)


def test_one_zstd_frame_holds_all_batches_because_many_readers_stop_at_its_end():
    data = written(documents("a" * 10_000), documents("b" * 10_000), compression="zstd")
    assert data.count(b"\x28\xb5\x2f\xfd") == 1


def test_default_columns_come_in_a_fixed_order_without_internal_ones():
    names = ["zeta", "text", "snapshot", "native_id", "url", "alpha", "source", "reject_reason", "doc_id"]
    batch = pa.record_batch({name: [name] for name in names})
    assert list(objects(written(batch))[0]) == ["doc_id", "text", "url", "source", "snapshot", "zeta", "alpha"]
    assert "zeta" not in objects(written(batch, exclude=["zeta"]))[0]


def test_bytes_are_refused_with_the_way_out():
    batch = pa.record_batch({"text": ["a"], "blob": pa.array([b"\xff"])})
    with pytest.raises(ConfigError, match=r"bytes of column 'blob'[\s\S]*exclude: \[blob\]"):
        written(batch)
    assert objects(written(batch, exclude=["blob"])) == [{"text": "a"}]


def test_no_batch_is_an_empty_file():
    assert written() == b""
    assert gzip.decompress(written(compression="gzip")) == b""
