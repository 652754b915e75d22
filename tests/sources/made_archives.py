"""Archives and snapshots as Common Crawl lays them out, made by the tests."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from curation_tasks.context import RunContext
from curation_tasks.parts import SourceUnit
from curation_tasks.sources.archive_documents import read_archive
from curation_tasks.sources.web import ArchiveParameters

WORDS = re.findall(
    r"\w+",
    "river mountain village morning teacher garden letter window history journey market winter harbour music story bread engine "
    "island question answer forest bridge castle summer doctor kitchen painter station valley the of and to in that was with for "
    "as his on be at by had not are but from or have an they which one you were her all she there would",
)


def sentences(seed: int, count: int) -> list[str]:
    choose = random.Random(seed)
    return [" ".join(choose.choice(WORDS) for _ in range(choose.randint(8, 20))).capitalize() + "." for _ in range(count)]


def page(seed: int, paragraphs: int = 6, language: str = "en", head: str = "") -> bytes:
    """A page with navigation, an article, and a footer."""
    body = "".join(f"<p>{' '.join(sentences(seed * 1000 + number, 4))}</p>" for number in range(paragraphs))
    return (
        f'<!DOCTYPE html><html lang="{language}"><head><title>Page {seed}</title>{head}</head><body>'
        '<nav><ul><li><a href="/">Home</a></li><li><a href="/about">About us</a></li></ul></nav>'
        f"<main><article><h1>Page {seed}</h1>{body}</article></main><footer>Copyright of nobody</footer></body></html>"
    ).encode()


@dataclass
class ArchiveMaker:
    """Writes records one after the other, each a gzip member of its own unless told otherwise.

    Attributes:
        gzip: Whether records are compressed.
        members: The bytes of each record as written.
    """

    gzip: bool = True
    members: list[bytes] = field(default_factory=list)
    _number: int = 0

    def record(self, kind: str, url: str | None, payload: bytes, http: StatusAndHeaders | None = None, **headers: str) -> ArchiveMaker:
        """Appends a record; ``headers`` are further WARC headers, with ``_`` for ``-``."""
        output = io.BytesIO()
        writer = WARCWriter(output, gzip=self.gzip)
        self._number += 1
        identity = f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{url} {self._number}')}>"
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        content_type = given.pop("Content-Type", None)
        warc = {"WARC-Record-ID": identity, "WARC-Date": f"2025-08-02T22:{self._number // 60 % 60:02}:{self._number % 60:02}Z"} | given
        record = writer.create_warc_record(
            url, kind, payload=io.BytesIO(payload), length=len(payload), http_headers=http,
            warc_headers_dict=warc, warc_content_type=content_type or "",
        )  # fmt: skip
        writer.write_record(record)
        record.raw_stream.close()
        self.members.append(output.getvalue())
        return self

    def info(self) -> ArchiveMaker:
        return self.record("warcinfo", None, b"software: a test\r\n", Content_Type="application/warc-fields")

    def request(self, url: str) -> ArchiveMaker:
        return self.record("request", url, b"", StatusAndHeaders("GET / HTTP/1.1", [("Host", "example.org")], is_http_request=True))

    def response(
        self, url: str, payload: bytes, *, status: str = "200 OK", content_type: str | None = "text/html; charset=utf-8",
        http: Iterable[tuple[str, str]] = (), **headers: str,
    ) -> ArchiveMaker:  # fmt: skip
        typed = [("Content-Type", content_type)] if content_type else []
        return self.record("response", url, payload, StatusAndHeaders(status, [*typed, *http], protocol="HTTP/1.1"), **headers)

    def fetched(self, url: str, payload: bytes, **more: str) -> ArchiveMaker:
        """What the crawler writes of one page: request, response, metadata."""
        self.request(url).response(url, payload, **more)
        return self.record("metadata", url, b"fetchTimeMs: 12\r\n", Content_Type="application/warc-fields")

    def bytes(self) -> bytes:
        return b"".join(self.members)


def crawl_file(pages: Mapping[str, bytes]) -> bytes:
    maker = ArchiveMaker().info()
    for url, payload in pages.items():
        maker.fetched(url, payload)
    return maker.bytes()


def wet_file(texts: Mapping[str, str], language: str = "eng") -> bytes:
    maker = ArchiveMaker().info()
    for url, text in texts.items():
        maker.record(
            "conversion", url, text.encode(), Content_Type="text/plain",
            WARC_Identified_Content_Language=language, WARC_Refers_To=f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, url)}>",
        )  # fmt: skip
    return maker.bytes()


def wat_file(titles: Mapping[str, str]) -> bytes:
    maker = ArchiveMaker().info()
    for url, title in titles.items():
        head = {"Title": title, "Metas": [{"name": "description", "content": f"About {title}"}], "Link": [{"rel": "canonical", "url": url}]}
        envelope = {"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": {"Head": head}}}}}
        maker.record("metadata", url, json.dumps(envelope).encode(), Content_Type="application/json")
    return maker.bytes()


def snapshot_files(
    crawl: str, kinds: Mapping[str, list[bytes]], others: Iterable[str] = ("CC-MAIN-2024-51", "CC-MAIN-2012")
) -> dict[str, bytes]:
    """Path below the base → content: the list of crawls, the lists of files, and the files in their segments."""
    crawls = [{"id": name, "name": name, "from": "2025-08-02T22:09:07", "to": "2025-08-15T23:42:38"} for name in (crawl, *others)]
    files = {"collinfo.json": json.dumps(crawls).encode()}
    for kind, contents in kinds.items():
        ending = {"warc": "warc.gz", "wet": "warc.wet.gz", "wat": "warc.wat.gz"}[kind]
        paths = [
            f"crawl-data/{crawl}/segments/1754151279521.{number // 2}/{kind}/{crawl}-20250802220907-20250803010907-{number:05}.{ending}"
            for number in range(len(contents))
        ]
        files |= dict(zip(paths, contents, strict=True))
        files[f"crawl-data/{crawl}/{kind}.paths.gz"] = gzip.compress("".join(f"{path}\n" for path in paths).encode())
    return files


def documents_of(content: str, parameters: ArchiveParameters) -> tuple[list[dict], dict[str, int]]:
    """All rows of a local file, and the counters."""
    context = RunContext("pipeline", "all", "stage", "/nowhere")
    rows = [row for batch in read_archive(SourceUnit(content, content), parameters, context) for row in batch.to_pylist()]
    return rows, dict(context.counters)


def accounted(rows: list[dict], counters: Mapping[str, int]) -> bool:
    """Whether every record of an archive is a document, rejected (as unreadable too) or skipped."""
    counted = sum(count for name, count in counters.items() if name.startswith("skipped."))
    return counters["records.in_archives"] == len(rows) + counted
