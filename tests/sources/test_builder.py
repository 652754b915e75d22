"""Document builders: three pieces become a source, and downloads are whole or fail with the reaction they ask for."""

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation_tasks.context import RunContext
from curation_tasks.errors import ConfigError, CurationError, InputError, TransientError
from curation_tasks.parts import Parameters, SourcePart, SourceUnit
from curation_tasks.sources import builder
from curation_tasks.sources.builder import Download, Record, Rejection, UrlDownloader, source_from_builder

CONTEXT = RunContext("pipeline", "all", "stage", "/nowhere")
CONTENT = b"content of the file\n" * 1000


def downloader(*downloads: Download, attempts: int = 4) -> UrlDownloader:
    return UrlDownloader(lambda parameters, snapshot: downloads, attempts=attempts, first_wait_seconds=0.01)


def fetched(*downloads: Download, attempts: int = 4) -> list[bytes]:
    using = downloader(*downloads, attempts=attempts)
    return [Path(using.fetch(unit, Parameters())).read_bytes() for unit in using.units(Parameters(), "all")]


class TestDownload:
    @pytest.fixture(autouse=True)
    def _file(self, server):
        server.files["/data/file.txt"] = CONTENT
        self.server, self.url = server, f"{server.base}/data/file.txt"

    def cached(self) -> list[Path]:
        return [place for place in builder.cache_folder().rglob("*") if place.is_file()]

    def test_units_carry_size_version_and_names_below_the_common_address(self):
        self.server.files["/data/more/other.txt"] = b"x"
        units = downloader(Download(self.url), Download(f"{self.server.base}/data/more/other.txt")).units(Parameters(), "all")
        assert [(unit.path, unit.bytes) for unit in units] == [("file.txt", len(CONTENT)), ("more/other.txt", 1)]
        assert all(unit.etag for unit in units)

    def test_a_file_is_fetched_once(self):
        assert fetched(Download(self.url)) == fetched(Download(self.url)) == [CONTENT]
        assert self.server.requests["GET /data/file.txt"] == 1

    def test_a_copy_of_the_wrong_size_is_fetched_again(self):
        fetched(Download(self.url))
        [copy] = self.cached()
        copy.write_bytes(b"cut")
        assert fetched(Download(self.url)) == [CONTENT]

    def test_a_new_version_is_another_copy(self):
        fetched(Download(self.url))
        self.server.files["/data/file.txt"] = CONTENT[::-1]
        assert fetched(Download(self.url)) == [CONTENT[::-1]]

    def test_with_a_hash_and_a_copy_the_server_is_not_asked(self):
        pinned = Download(self.url, sha256=hashlib.sha256(CONTENT).hexdigest())
        fetched(pinned)
        self.server.requests.clear()
        assert fetched(pinned) == [CONTENT]
        assert not self.server.requests

    def test_a_server_that_is_busy_twice_is_asked_again(self):
        def busy_twice(handler: BaseHTTPRequestHandler, number: int) -> bool:
            if number <= 2:
                handler.send_error(503)
            return number <= 2

        self.server.faults = busy_twice
        assert fetched(Download(self.url)) == [CONTENT]

    def test_a_server_that_stays_busy_is_a_transient_error(self):
        self.server.faults = lambda handler, number: handler.send_error(503) is None
        with pytest.raises(TransientError, match=r"file\.txt: the server answered HTTP 503"):
            fetched(Download(self.url))

    @pytest.mark.parametrize("times", [1, 99])
    def test_a_body_that_breaks_off_is_fetched_again_and_never_kept(self, times: int):
        def cut(handler: BaseHTTPRequestHandler, number: int) -> bool:
            if handler.command != "GET" or number > times:
                return False
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(CONTENT)))
            handler.end_headers()
            handler.wfile.write(CONTENT[:100])
            handler.close_connection = True
            return True

        self.server.faults = cut
        if times == 1:
            assert fetched(Download(self.url)) == [CONTENT]
        else:
            with pytest.raises(TransientError, match=r"file\.txt: the transfer failed"):
                fetched(Download(self.url))
            assert self.server.requests["GET /data/file.txt"] == 4
            assert self.cached() == []

    def test_a_body_of_another_length_than_listed_is_a_transient_error(self):
        def short(handler: BaseHTTPRequestHandler, number: int) -> bool:
            if handler.command == "GET":
                handler.send_response(200)
                handler.send_header("Content-Length", "3")
                handler.end_headers()
                handler.wfile.write(b"abc")
            return handler.command == "GET"

        self.server.faults = short
        with pytest.raises(TransientError, match=r"received 3 bytes[\s\S]*20,000 bytes, as announced"):
            fetched(Download(self.url), attempts=2)
        assert self.cached() == []

    def test_a_missing_file_is_an_input_error_at_once(self):
        with pytest.raises(InputError, match="HTTP 404"):
            fetched(Download(f"{self.server.base}/data/none.txt"))
        assert self.server.requests["HEAD /data/none.txt"] == 1

    def test_a_refusal_asks_for_a_login(self):
        self.server.faults = lambda handler, number: handler.send_error(403) is None
        with pytest.raises(ConfigError, match="HTTP 403"):
            fetched(Download(self.url))

    def test_nobody_there_is_a_transient_error(self):
        with pytest.raises(TransientError):
            fetched(Download("http://127.0.0.1:1/file.txt"), attempts=2)

    def test_an_unexpected_size_or_hash_is_an_input_error(self):
        with pytest.raises(InputError, match=r"has 20,000 bytes[\s\S]*expected: 5 bytes"):
            fetched(Download(self.url, bytes=5))
        with pytest.raises(InputError, match="has sha256"):
            fetched(Download(self.url, sha256="0" * 64))
        assert self.cached() == []


def test_a_local_file_is_read_in_place_and_its_hash_checked(tmp_path: Path):
    place = tmp_path / "file.txt"
    place.write_bytes(b"x")
    using = downloader(Download(str(place)))
    [unit] = using.units(Parameters(), "all")
    assert (unit.path, unit.bytes, using.fetch(unit, Parameters())) == ("file.txt", 1, str(place))
    wrong = downloader(Download(str(place), sha256="0" * 64))
    with pytest.raises(InputError, match="has sha256"):
        wrong.fetch(wrong.units(Parameters(), "all")[0], Parameters())


def test_a_missing_local_file_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError):
        downloader(Download(f"{tmp_path}/none")).units(Parameters(), "all")


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
