"""The JSON Lines source: no record is lost, none stops the file, and both parsers give the same rows."""

import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError
from curation_tasks.parts import SourceUnit
from curation_tasks.schema import REJECTION_COLUMNS
from curation_tasks.sources import jsonl, jsonl_lines
from curation_tasks.sources.catalog import PARTS, JsonlParameters
from curation_tasks.sources.jsonl import read_jsonl
from curation_tasks.storage.shard import ROW_GROUP_TEXT_BYTES, text_bytes_of

PART = next(part for part in PARTS if part.name == "jsonl")
COLUMNS = {"text": "content", "id": "uid", "url": "link", "keep": {"lang": "string", "score": "double", "tags": "list<string>"}}


class Reader:
    """Reads bytes as a file of the source."""

    def __init__(self, folder: Path):
        self.place = folder / "data.jsonl"
        self.context = RunContext("pipeline", "all", "stage", str(folder))

    def batches(self, data: bytes, **parameters: Any) -> Iterator[pa.RecordBatch]:
        self.place.write_bytes(data)
        unit = SourceUnit(str(self.place), self.place.name)
        return read_jsonl(unit, JsonlParameters(files=str(self.place), **parameters), self.context)

    def rows(self, data: bytes, **parameters: Any) -> list[dict[str, Any]]:
        """The rows; those that are not rejected without rejection columns, which a batch has only when it needs them."""
        rows = [row for batch in self.batches(data, **parameters) for row in batch.to_pylist()]
        return [{name: row[name] for name in row if row.get("reject_reason") or name not in REJECTION_COLUMNS} for row in rows]

    def reasons(self, data: bytes, **parameters: Any) -> list[str | None]:
        return [row.get("reject_reason") for row in self.rows(data, **parameters)]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def test_mapped_columns_become_document_columns_and_others_are_left_out(reader: Reader):
    record = {"content": "a", "uid": "1", "link": "http://x", "lang": "en", "score": 0.5, "tags": ["x"], "more": {"deep": [1]}}
    [row] = reader.rows(json.dumps(record).encode(), columns=COLUMNS)
    assert row == {"text": "a", "native_id": "1", "url": "http://x", "lang": "en", "score": 0.5, "tags": ["x"]}


def test_declared_columns_are_those_that_come(reader: Reader):
    parameters = JsonlParameters(files="x", columns=COLUMNS)
    [batch] = reader.batches(b'{"content": "a"}\n', columns=COLUMNS)
    declared = {"text": "string", "native_id": "string"} | PART.provides_of(parameters)
    assert {name: str(kind).replace("item: ", "") for name, kind in zip(batch.schema.names, batch.schema.types, strict=True)} == declared


def test_a_kept_column_may_get_another_name(reader: Reader):
    columns = {"keep": {"origin": {"type": "string", "column": "source"}}}
    assert reader.rows(b'{"text": "a", "source": "b"}', columns=columns)[0]["origin"] == "b"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "a"', "malformed_json"),
        (b'{"text": "a"} {"text": "b"}', "malformed_json"),
        (b'{"text": "a\tb"}', "malformed_json"),
        (b'{"text": "a\0b"}', "malformed_json"),
        (b'\xef\xbb\xbf{"text": "a"}', "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b'["text"]', "not_an_object"),
        (b"null", "not_an_object"),
        (b"{}", "missing_text"),
        (b'{"text": null}', "missing_text"),
        (b'{"text": 5}', "text_not_a_string"),
        (b'{"text": {"a": "b"}}', "text_not_a_string"),
        (b'{"text": "\xff"}', "invalid_utf8"),
        (b'{"text": "a", "other": "\xed\xa0\x80"}', "invalid_utf8"),
        (rb'{"text": "\ud800"}', "invalid_utf8"),
        (rb'{"text": "\udc00\ud800"}', "invalid_utf8"),
        (b'{"text": "' + b"a" * 2000 + b'"}', "record_too_long"),
        (b'{"text": "b", "uid": "first"}', "repeated_id"),
    ],
)
def test_a_bad_record_is_rejected_with_its_reason_line_and_content(reader: Reader, line: bytes, reason: str):
    good = b'{"text": "good", "uid": "first"}'
    rows = reader.rows(
        good + b"\n\n" + line + b"\n" + b'{"text": "last"}', columns={"id": "uid"}, max_record_bytes=1500 if len(line) < 9000 else 10**6
    )
    assert [row.get("reject_reason") for row in rows] == [None, reason, None]
    assert rows[1]["reject_value"] == 3
    assert rows[1]["failed_rules"] == [reason]
    assert rows[1]["text"] == ("b" if reason == "repeated_id" else line.decode("utf-8", "replace")[: 64 * 2**10])
    assert reason in PART.rejects_of(JsonlParameters(files="x"))


@pytest.mark.parametrize("text", ["", " ", "\x00", "\u2028", "😀é", "a\r\nb", '"\\/', "\ufeff", "<|endoftext|>"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_any_text_is_read_as_it_is(reader: Reader, text: str, ascii_only: bool):
    assert reader.rows(json.dumps({"text": text}, ensure_ascii=ascii_only).encode()) == [{"text": text, "native_id": None}]


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_no_records(reader: Reader):
    data = b'\xef\xbb\xbf{"text": "a"}\r\n\r\n \t \r\n{"text": "b"}\r\n\n'
    assert [row["text"] for row in reader.rows(data)] == ["a", "b"]
    assert reader.context.counters == {"blank_lines": 3}


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b" "])
def test_nothing_is_no_records(reader: Reader, data: bytes):
    assert reader.rows(data) == []


def test_the_last_line_needs_no_end(reader: Reader):
    assert len(reader.rows(b'{"text": "a"}\n{"text": "b"}')) == 2


def test_kept_values_of_another_type_are_null_and_counted_and_nested_ones_become_json(reader: Reader):
    lines = [
        {"text": "a", "lang": {"é": [1, None]}, "score": "high", "tags": ["x", None]},
        {"text": "b", "lang": 5, "score": 3, "tags": "x"},
        {"text": "c", "lang": None, "score": math.inf, "tags": [["x"]]},
    ]
    data = "\n".join(json.dumps(line) for line in lines).encode()
    rows = reader.rows(data, columns={"keep": COLUMNS["keep"]})
    assert [row["lang"] for row in rows] == ['{"é":[1,null]}', "5", None]
    assert [row["score"] for row in rows] == [None, 3.0, math.inf]
    assert [row["tags"] for row in rows] == [["x", None], None, ['["x"]']]
    assert reader.context.counters == {"unreadable.score": 1, "unreadable.tags": 1}


def test_integer_identities_are_read_as_text(reader: Reader):
    data = b"".join(b'{"text": "a", "uid": %d}\n' % number for number in (1, -2, 2**70, 1))
    rows = reader.rows(data + b'{"text": "b", "uid": ""}\n{"text": "c"}\n{"text": "d", "uid": true}', columns={"id": "uid"})
    assert [row["native_id"] for row in rows] == ["1", "-2", str(2**70), "1", None, None, None]
    assert [row.get("reject_reason") for row in rows] == [None] * 3 + ["repeated_id"] + [None] * 3
    assert reader.context.counters == {"unreadable.id": 1}


def test_a_repeated_identity_is_found_across_batches(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jsonl_lines, "BLOCK_BYTES", 300)
    ids = [*range(200), 7, 199, 0, *range(200, 300), 250]
    data = b"".join(b'{"text": "a", "uid": "%d"}\n' % number for number in ids)
    repeated = [row for row, reason in enumerate(reader.reasons(data, columns={"id": "uid"})) if reason]
    assert repeated == [200, 201, 202, 303]


def test_a_rejected_record_does_not_take_its_identity(reader: Reader):
    assert reader.reasons(b'{"uid": "1"}\n{"text": "a", "uid": "1"}', columns={"id": "uid"}) == ["missing_text", None]


def test_a_file_without_the_text_column_is_refused_with_the_nearest_name(reader: Reader):
    data = b'\n{"content": "a", "uid": 1}\n' * 3
    with pytest.raises(InputError) as error:
        reader.rows(data, columns={"text": "contents"})
    assert "did you mean 'content'?" in str(error.value)
    assert f"{reader.place}:2" in str(error.value)
    assert "content, uid" in str(error.value)


def test_the_text_column_may_come_late_but_not_after_a_thousand_records(reader: Reader):
    assert reader.reasons(b'{"a": 1}\n' * 999 + b'{"text": "b"}')[-2:] == ["missing_text", None]
    with pytest.raises(InputError, match="no record has the text column"):
        reader.rows(b'{"a": 1}\n' * 1000 + b'{"text": "b"}')


def test_null_text_is_not_an_absent_column(reader: Reader):
    assert reader.reasons(b'{"text": null}\n' * 3) == ["missing_text"] * 3


def test_a_pretty_printed_list_is_refused_with_the_way_out(reader: Reader):
    data = json.dumps([{"text": str(number)} for number in range(500)], indent=1).encode()
    with pytest.raises(InputError, match=r"JSON Lines[\s\S]*jq -c"):
        reader.rows(data)


def test_a_document_of_50_megabytes_is_a_document(reader: Reader):
    text = "é" * 25_000_000
    rows = reader.rows(json.dumps({"text": text}, ensure_ascii=False).encode() + b'\n{"text": "small"}\n')
    assert [row["text"] for row in rows] == [text, "small"]


def test_an_endless_line_is_rejected_without_being_held(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jsonl_lines, "BLOCK_BYTES", 1000)
    held = []

    original = jsonl._LineReader.read
    monkeypatch.setattr(jsonl._LineReader, "read", lambda self, block: held.append(len(block.data)) or original(self, block))
    data = b'{"text": "a"}\n{"text": "' + b"x" * 1_000_000 + b'"}\n{"text": "b"}\n{"text": "' + b"y" * 100_000
    rows = reader.rows(data, max_record_bytes=2000)
    assert [row.get("reject_reason") for row in rows] == [None, "record_too_long", None, "record_too_long"]
    assert [row.get("reject_value") for row in rows] == [None, 2, None, 4]
    assert max(held) <= 6000


def test_batches_are_bounded(reader: Reader):
    line = json.dumps({"text": "x" * 1_000_000}).encode() + b"\n"
    assert all(text_bytes_of(batch.column("text")) <= ROW_GROUP_TEXT_BYTES for batch in reader.batches(line * 40))


@pytest.mark.parametrize("compression", ["gzip", "auto"])
def test_damaged_gzip_is_an_input_error(reader: Reader, compression: str):
    reader.place = reader.place.with_suffix(".jsonl.gz")
    with pytest.raises(InputError, match="damaged gzip"):
        reader.rows(gzip.compress(b'{"text": "a"}\n' * 1000)[:-10], compression=compression)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
NAMES = st.sampled_from(["content", "uid", "link", "lang", "score", "tags", "number", "flag", "other"])
RECORDS = st.dictionaries(NAMES, JSON_VALUES, max_size=6) | st.fixed_dictionaries(
    {"content": st.text(max_size=8), "uid": st.integers(0, 9) | st.text(max_size=2)},
    optional={"lang": st.text(max_size=3), "score": st.floats(), "tags": st.lists(st.text(max_size=2), max_size=2), "other": JSON_VALUES},
)
LINES = st.one_of(
    st.builds(
        lambda record, ascii_only: json.dumps(record, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"), RECORDS, st.booleans()
    ),
    st.sampled_from(
        [
            *(b"", b" ", b"\r", b'{"content": "a"}{"content": "b"}', b'{"content":', b'"a"}', b"}", b"{", b"{}", b"[1]", b"\xff"),
            *(b'{"content": "a\0"}', b'{"content": "a", "content": "b"}', b' {"content": "a"} ', b'{"content": "\x0b"}'),
            b'{"score": 1e400, "content": "a"}',
        ]
    ),
    st.binary(max_size=12),
)
MIXED = COLUMNS | {"keep": COLUMNS["keep"] | {"number": "int64", "flag": "bool"}}


@settings(max_examples=3 * settings().max_examples, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINES, max_size=6), st.sampled_from([b"\n", b"\r\n"]))
def test_whole_blocks_and_single_lines_give_the_same_rows(reader: Reader, lines: list[bytes], end: bytes):
    # A record with text first, so that the file is what it should be.
    data = end.join([b'{"content": "first"}', *lines])
    reader.context.counters.clear()
    fast = reader.rows(data, columns=MIXED)
    counters = dict(reader.context.counters)
    reader.context.counters.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl._LineReader, "_whole_block", lambda self, lines: None)
        slow = reader.rows(data, columns=MIXED)
    assert repr(fast) == repr(slow)
    assert counters == reader.context.counters


@settings(max_examples=settings().max_examples, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINES, min_size=1, max_size=8), st.integers(5, 200))
def test_where_blocks_end_changes_nothing(reader: Reader, lines: list[bytes], block_bytes: int):
    data = b"\n".join([b'{"content": "first"}', *lines])
    whole = reader.rows(data, columns=MIXED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl_lines, "BLOCK_BYTES", block_bytes)
        cut = reader.rows(data, columns=MIXED)
    assert repr(cut) == repr(whole)


def test_regular_files_never_need_the_slow_way(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    def refuse(self: object, lines: object) -> None:
        raise AssertionError("line by line")

    monkeypatch.setattr(jsonl._LineReader, "_line_by_line", refuse)
    data = b"".join(json.dumps({"content": f"é{n}", "uid": str(n), "score": n, "x": {"y": [n]}}).encode() + b"\n" for n in range(100))
    assert len(reader.rows(data, columns=COLUMNS)) == 100


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"keep": {"lang": "str"}}, "did you mean 'string'"),
        ({"keep": {"source": "string"}}, "my_source"),
        ({"keep": {"text_length": {"type": "int64", "column": "text"}}}, "read as string already"),
        ({"txt": "a"}, "Extra inputs"),
    ],
)
def test_a_wrong_mapping_is_refused_when_the_pipeline_is_planned(columns: dict, message: str):
    with pytest.raises(ValueError, match=message):
        JsonlParameters(files="x", columns=columns)


def test_editors_are_told_of_the_short_forms():
    schema = JsonlParameters.model_json_schema()
    for files in ("x", ["x"]):
        jsonschema.validate({"files": files, "columns": {"keep": {"lang": "string", "n": {"type": "int64", "column": "m"}}}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"files": "x", "columns": {"keep": {"lang": 5}}}, schema)
