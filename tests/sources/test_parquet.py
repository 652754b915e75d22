"""The Parquet source: mapped columns of whatever type become documents, or the file is refused with a clear word."""

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_tasks.context import RunContext
from curation_tasks.errors import InputError
from curation_tasks.parts import SourceUnit
from curation_tasks.schema import REJECTION_COLUMNS
from curation_tasks.sources.catalog import ParquetParameters
from curation_tasks.sources.parquet import read_parquet
from curation_tasks.storage.shard import ROW_GROUP_TEXT_BYTES, text_bytes_of


def batches(place: Path, **columns: Any) -> list[pa.RecordBatch]:
    parameters = ParquetParameters(files=str(place), columns=columns)
    context = RunContext("pipeline", "all", "stage", str(place.parent))
    return list(read_parquet(SourceUnit(str(place), place.name), parameters, context))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data.parquet"


def rows(place: Path, table: dict[str, Any] | pa.Table, *, row_group_size: int | None = None, **columns: Any) -> list[dict[str, Any]]:
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), place, row_group_size=row_group_size)
    found = [row for batch in batches(place, **columns) for row in batch.to_pylist()]
    return [{name: row[name] for name in row if row.get("reject_reason") or name not in REJECTION_COLUMNS} for row in found]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()])
def test_text_may_be_stored_in_any_way_that_holds_text(place: Path, kind: pa.DataType):
    texts = pa.array(["a", "é\x00", "", None], pa.string()).cast(kind)
    found = rows(place, pa.table({"text": texts}))
    assert [row["text"] for row in found] == ["a", "é\x00", "", None]
    assert [row.get("reject_reason") for row in found] == [None, None, None, "missing_text"]


def test_kept_columns_take_their_declared_types(place: Path):
    table = {
        "content": ["a"],
        "uid": pa.array([7], pa.int32()),
        "link": ["http://x"],
        "score": pa.array([0.5], pa.float32()),
        "day": [datetime.date(2020, 1, 2)],
        "meta": [{"lang": "é", "tags": [1, None]}],
        "tags": [["x"]],
        "source": pa.array(["web"]).dictionary_encode(),
        "unread": [b"\xff"],
    }
    keep = {"score": "double", "day": "timestamp[us]", "meta": "string", "tags": "list<string>", "uid": "int64"}
    [row] = rows(place, table, text="content", id="uid", url="link", keep=keep | {"origin": {"type": "string", "column": "source"}})
    assert row == {
        "text": "a",
        "native_id": "7",
        "url": "http://x",
        "score": 0.5,
        "day": datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
        "meta": '{"lang":"é","tags":[1,null]}',
        "tags": ["x"],
        "uid": 7,
        "origin": "web",
    }


def test_text_that_is_not_utf8_is_rejected_by_row(place: Path):
    broken = pa.Array.from_buffers(pa.string(), 3, pa.array([b"a", b"\xffb", b"c"]).buffers())
    found = rows(place, pa.table({"text": broken}))
    assert [row["text"] for row in found] == ["a", "\ufffdb", "c"]
    assert found[1]["reject_reason"] == "invalid_utf8"
    assert found[1]["reject_value"] == 2


def test_repeated_identities_are_found_across_row_groups(place: Path):
    found = rows(place, {"text": ["a", "b", "c", "d"], "id": ["1", "2", "1", ""]}, row_group_size=2, id="id")
    assert [row.get("reject_reason") for row in found] == [None, None, "repeated_id", None]
    assert (found[2]["reject_value"], found[2]["text"]) == (3, "c")
    assert found[3]["native_id"] is None


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        ({"txt": ["a"]}, {}, r"no column 'text', which `columns.text` names; did you mean 'txt'\?[\s\S]*columns of the file: txt"),
        ({"text": [1]}, {}, r"column 'text'.* holds int64[\s\S]*expected: strings"),
        ({"text": ["a"], "id": [1.5]}, {"id": "id"}, r"`columns.id` names, holds double[\s\S]*strings or integers"),
        ({"text": ["a"]}, {"keep": {"lang": "string"}}, r"no column 'lang', which `columns.keep.lang` names"),
        ({"text": ["a"], "n": [["x"]]}, {"keep": {"n": "int64"}}, r"column 'n'.*holds list[\s\S]*expected: int64"),
        ({"text": ["a"], "n": ["x"]}, {"keep": {"n": "int64"}}, r"column 'n' holds string values that are no int64"),
        ({"text": ["a"], "n": [300]}, {"keep": {"n": "int8"}}, r"column 'n' holds int64 values that are no int8"),
    ],
)
def test_a_schema_that_does_not_fit_is_refused_with_names(place: Path, table: dict, columns: dict, message: str):
    with pytest.raises(InputError, match=message) as error:
        rows(place, table, **columns)
    assert str(place) in str(error.value)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "page"])
def test_a_file_that_is_not_whole_is_an_input_error(place: Path, damage: str):
    pq.write_table(pa.table({"text": [f"text {number}" for number in range(10_000)]}), place, compression="zstd")
    whole = place.read_bytes()
    middle = len(whole) // 2
    place.write_bytes(
        {"cut": whole[:middle], "empty": b"", "text": b"hello", "page": whole[:40] + bytes(middle - 40) + whole[middle:]}[damage]
    )
    with pytest.raises(InputError, match=r"data\.parquet: not a whole Parquet file"):
        batches(place)


def test_a_file_without_rows_is_no_records(place: Path):
    assert rows(place, {"text": pa.array([], pa.string())}) == []


def test_batches_are_bounded_whatever_the_row_groups(place: Path):
    texts = ["x" * 900_000, *["y"] * 5, *["z" * 900_000] * 40]
    pq.write_table(pa.table({"text": pa.array(texts).cast(pa.large_string())}), place, row_group_size=1000)
    found = batches(place)
    assert max(text_bytes_of(batch.column("text")) for batch in found) <= ROW_GROUP_TEXT_BYTES
    assert [text for batch in found for text in batch.column("text").to_pylist()] == texts
