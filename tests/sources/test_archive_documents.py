"""From an archive to documents: each record is a document, rejected, skipped or unreadable, and the sums add up."""

import gzip
from collections import Counter
from pathlib import Path

import pytest
from made_archives import ArchiveMaker, accounted, crawl_file, documents_of, page

from curation_tasks.context import RunContext
from curation_tasks.parts import SourceUnit
from curation_tasks.sources import archive_documents
from curation_tasks.sources.web import PAGE_REASONS, WarcParameters


def parameters(**more: object) -> WarcParameters:
    return WarcParameters(**{"files": "x"} | more)


@pytest.fixture
def documents(tmp_path: Path):
    """Writes an archive and reads it: rows and counters."""

    def read(content: bytes, given: WarcParameters | None = None, name: str = "test.warc.gz") -> tuple[list[dict], dict[str, int]]:
        (tmp_path / name).write_bytes(content)
        rows, counters = documents_of(str(tmp_path / name), given or parameters())
        assert accounted(rows, counters)
        return rows, counters

    return read


def test_what_becomes_of_each_record(documents):
    html = page(1)
    maker = ArchiveMaker().info()
    maker.fetched("http://a/page", html)
    maker.response("http://a/none", html, status="404 Not Found")
    maker.response("http://a/picture", b"\x89PNG", content_type="image/png")
    maker.response("http://a/untyped", html, content_type=None)
    maker.response("http://a/sniffed", html, content_type="application/octet-stream", WARC_Identified_Payload_Type="text/html")
    maker.response("http://a/mistaken", b"%PDF", WARC_Identified_Payload_Type="application/pdf")
    maker.response("http://a/zipped", gzip.compress(html), http=[("Content-Encoding", "gzip")])
    maker.response("http://a/lies", html, http=[("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")])
    maker.response("http://a/broken", b"\x1f\x8b\x08\0", http=[("Content-Encoding", "gzip")])
    maker.response("http://a/empty", b"<html></html>")
    maker.response("http://a/deep", b"<div>" * 5000)
    maker.response("http://a/large", b"<p>" + b"word " * 40_000)
    maker.response("http://a/bomb", gzip.compress(b"<p>" + b"word " * 400_000), http=[("Content-Encoding", "gzip")])
    maker.response("http://a/huge", b"<p>" + b"word " * 400_000)
    maker.record("resource", "http://a/resource", html, Content_Type="text/html")
    maker.record("revisit", "http://a/again", b"", Content_Type="application/http; msgtype=response")
    given = parameters(limits={"page_bytes": 100_000}, record_bytes=1_000_000)
    rows, counters = documents(maker.bytes() + maker.members[-1][:80], given)
    *rows, cut = rows
    assert (cut["url"], cut["reject_reason"]) == (None, "truncated_record")
    assert (cut["reject_value"], cut["reject_threshold"]) == (len(maker.bytes()), len(maker.bytes()) + 80)
    assert {row["url"].removeprefix("http://a/"): row["reject_reason"] for row in rows} == {
        "page": None, "sniffed": None, "zipped": None, "lies": None, "resource": None, "broken": "damaged_body", "empty": "empty_text",
        "deep": "page_too_deep", "large": "page_too_large", "bomb": "page_too_large", "huge": "record_too_large",
    }  # fmt: skip
    assert counters == {
        "records.in_archives": 20, "skipped.type.warcinfo": 1, "skipped.type.request": 1, "skipped.type.metadata": 1,
        "skipped.type.revisit": 1, "skipped.status": 1, "skipped.content_type": 3, "digests.verified": 14,
    }  # fmt: skip
    assert {row["reject_reason"] for row in rows} - {None} <= set(PAGE_REASONS)
    values = {row["url"].removeprefix("http://a/"): row["reject_value"] for row in rows}
    assert (values["deep"], values["large"]) == (5000, 200_003)
    assert values["huge"] > 2_000_000


def test_statuses_and_types_that_are_wanted(documents):
    maker = ArchiveMaker().response("http://a/text", "Grüße\n".encode("latin-1"), content_type="text/plain; charset=iso-8859-1")
    maker.response("http://a/gone", page(1), status="410 Gone")
    rows, _ = documents(maker.bytes(), parameters(content_types=["text/plain", "text/html"], statuses=[200, 410]))
    assert [(row["url"], row["content_type"], row["encoding"]) for row in rows] == [
        ("http://a/text", "text/plain", "windows-1252"), ("http://a/gone", "text/html", "UTF-8"),
    ]  # fmt: skip
    assert rows[0]["text"] == "Grüße"


def test_an_identity_that_comes_twice_is_one_document(documents):
    record = ArchiveMaker().response("http://a/", page(1)).bytes()
    rows, _ = documents(record + record)
    assert [row["reject_reason"] for row in rows] == [None, "repeated_id"]
    assert rows[0]["native_id"] is not None
    assert rows[1]["native_id"] is None


def test_batches_do_not_change_what_comes(documents, monkeypatch: pytest.MonkeyPatch):
    content = crawl_file({f"http://a/{number}": page(number) for number in range(20)})
    whole = documents(content)
    for pages, size in ((1, 2**20), (3, 2**20), (100, 10_000)):
        monkeypatch.setattr(archive_documents, "BATCH_PAGES", pages)
        monkeypatch.setattr(archive_documents, "BATCH_BYTES", size)
        assert documents(content) == whole


@pytest.mark.parametrize("batches", [1, 2, 4, 7])
def test_a_file_left_in_the_middle_accounts_for_what_was_taken_of_it(batches: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive_documents, "BATCH_PAGES", 3)
    place = tmp_path / "crawl.warc.gz"
    place.write_bytes(crawl_file({f"http://a/{number}": page(number) for number in range(20)}))
    context = RunContext("pipeline", "all", "stage", "/nowhere")
    reading = archive_documents.read_archive(SourceUnit(str(place), place.name), parameters(), context)
    rows = [row for _, batch in zip(range(batches), reading, strict=False) for row in batch.to_pylist()]
    reading.close()
    assert accounted(rows, context.counters)
    assert context.counters["skipped.type.request"] == len(rows)
    assert context.counters["archives.unfinished"] == (batches < 7)


def test_an_arc_file(documents):
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page(1)
    content = b"filedesc://a.arc 0.0.0.0 20080430204825 text/plain 19\n1 1 InternetArchive\n\n" + (
        f"http://a/ 10.0.0.1 20080430204826 text/html {len(block)}\n".encode() + block + b"\n"
    )
    rows, counters = documents(content, name="old.arc")
    assert [(row["url"], row["reject_reason"], row["crawled"].year) for row in rows] == [("http://a/", None, 2008)]
    assert counters["skipped.type.warcinfo"] == 1


def test_memory_does_not_grow_with_the_record(documents):
    """A record of 300 MB in 300 KB is passed over in pieces."""
    import resource

    maker = ArchiveMaker().response("http://a/huge", b"\0" * 300_000_000).response("http://a/page", page(1))
    content = maker.bytes()
    maker.members.clear()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows, _ = documents(content)
    assert [row["reject_reason"] for row in rows] == ["record_too_large", None]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_reasons_of_the_rows_count_as_in_the_ledger(documents):
    rows, _ = documents(ArchiveMaker().response("http://a/", b"").response("http://b/", b" ").bytes())
    assert Counter(row["reject_reason"] for row in rows) == {"empty_text": 2}
    assert [row["failed_rules"] for row in rows] == [["empty_text"]] * 2
