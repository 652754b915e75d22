"""Document builders: three pieces become a source."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError, CurationError
from curation_tasks.parts import Parameters, SourcePart, SourceUnit
from curation_tasks.sources import builder
from curation_tasks.sources.builder import Record, Rejection, source_from_builder

CONTEXT = RunContext("pipeline", "all", "stage", "/nowhere")


class OneFile:
    """A downloader of one's own."""

    def units(self, parameters: Parameters, snapshot: str) -> list[SourceUnit]:
        return [SourceUnit(f"letters://{snapshot}", snapshot)]

    def fetch(self, unit: SourceUnit, parameters: Parameters) -> str:
        return unit.path


def letters(path: str, unit: SourceUnit, parameters: Parameters) -> Iterator[Record]:
    yield Record("Dear Ann\n-- \nBen", native_id="1", url="x:1", metadata={"year": 1900})
    yield Record("no end", native_id="2")
    yield Record(b"\xff\n-- \n", native_id="3")
    yield Record("half \ud800\n-- \n")


def without_signature(record: Record, parameters: Parameters) -> str | Rejection:
    content = record.content if isinstance(record.content, str) else record.content.decode("utf-8", "surrogateescape")
    text, found, _ = content.partition("\n-- \n")
    return text if found else Rejection("no_signature", 0.5)


def source(**more: Any) -> SourcePart:
    pieces = {
        "iterator": letters,
        "extractor": without_signature,
        "provides": {"url": "string", "year": "int64"},
        "rejects": ["no_signature"],
    }
    return source_from_builder(name="my.letters", summary="Letters", downloader=OneFile(), **pieces | more)


def rows(part: SourcePart) -> list[dict[str, Any]]:
    [unit] = part.load_units()(Parameters(), "all")
    return [row for batch in part.load()(unit, Parameters(), CONTEXT) for row in batch.to_pylist()]


def test_three_pieces_make_a_source_that_loses_no_record():
    found = rows(source())
    assert [(row["text"], row["native_id"], row["url"], row["year"], row["reject_reason"]) for row in found] == [
        ("Dear Ann", "1", "x:1", 1900, None),
        ("no end", "2", None, None, "no_signature"),
        ("\ufffd\ufffd\ufffd", "3", None, None, "invalid_utf8"),
        ("half \ufffd\ufffd\ufffd", None, None, None, "invalid_utf8"),
    ]
    assert found[1]["reject_value"] == 0.5
    assert found[1]["failed_rules"] == ["no_signature"]
    assert source().rejects_of(Parameters()) == ("no_signature", "invalid_utf8")


def test_without_an_extractor_the_content_is_the_text():
    assert [row["text"] for row in rows(source(extractor=None))][:2] == ["Dear Ann\n-- \nBen", "no end"]


def test_an_extractor_may_set_identity_and_metadata():
    def renamed(record: Record, parameters: Parameters) -> Record:
        return Record("text", native_id=f"letter-{record.native_id}", metadata={"year": 2000})

    assert {(row["text"], row["year"]) for row in rows(source(extractor=renamed))} == {("text", 2000)}


def test_batches_of_the_iterator_are_finished_documents_in_their_place():
    def mixed(path: str, unit: SourceUnit, parameters: Parameters) -> Iterator[Record | pa.RecordBatch]:
        yield Record("first")
        yield pa.record_batch({"text": ["second", "third"]})
        yield Record("fourth")

    assert [row["text"] for row in rows(source(iterator=mixed, extractor=None, provides={}))] == ["first", "second", "third", "fourth"]


def test_records_come_in_batches(monkeypatch: pytest.MonkeyPatch):
    def many(path: str, unit: SourceUnit, parameters: Parameters) -> Iterator[Record]:
        return (Record("x" * 10) for _ in range(100))

    monkeypatch.setattr(builder, "_BATCH_BYTES", 200)
    part = source(iterator=many, extractor=None)
    [unit] = part.load_units()(Parameters(), "all")
    assert [len(batch) for batch in part.load()(unit, Parameters(), CONTEXT)] == [20] * 5


def test_pieces_may_be_named_by_dotted_paths():
    part = source(iterator="curation_tasks.sources.no_such_module:letters")
    with pytest.raises(ConfigError, match=r"my\.letters needs the Python package"):
        rows(part)


def test_an_extractor_that_returns_something_else_is_told_so():
    with pytest.raises(CurationError, match=r"the extractor of my\.letters returned a NoneType"):
        rows(source(extractor=lambda record, parameters: None))
