"""From an archive to documents, every record accounted for.

A record that could have been a document and is none is a row of the ledger, with its reason and number; so is one that cannot be
read, with the bytes of the file where it lies. What never could (the crawler's requests, pictures, answers 404), most of an
archive, is only counted, as rows of it would outnumber the documents: ``skipped.type.request``, ``skipped.status``,
``skipped.content_type``, … So in the manifest of the stage

    counters["records.in_archives"] = counts["documents"] + counts["rejected"] + all counters skipped.* + counters["beyond_limit"]

Of records that could have been documents, ``digests.verified``, ``digests.mismatched``, ``digests.absent``, … say what their own
digests told (``archive_digests``). ``beyond_limit`` is there in runs with a limit only: such a run may leave a file unfinished
(``archives.unfinished``), of which the records up to the last batch count.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

import numpy as np
import pyarrow as pa

from curation_tasks.context import RunContext
from curation_tasks.parts import SourceUnit
from curation_tasks.schema import REJECTION_COLUMNS, arrow_type
from curation_tasks.sources.archive_record import ArchiveRecord
from curation_tasks.sources.archive_salvage import LostRecord
from curation_tasks.sources.archives import ArchiveReader, record_of
from curation_tasks.sources.download import fetch, open_unit
from curation_tasks.sources.extraction.decoding import claimed_language, decode_page
from curation_tasks.sources.extraction.messages import RawPage
from curation_tasks.sources.extraction.pages import PAGE_COLUMNS, ExtractedPage
from curation_tasks.sources.extraction.parser_process import ParserProcess, parser_process
from curation_tasks.sources.http_body import BodyTooLargeError, DamagedBodyError, page_of
from curation_tasks.sources.records import SeenIds
from curation_tasks.sources.web import ArchiveParameters, archive_columns

#: Pages go to the parser, and documents come out, in batches of about so much.
BATCH_PAGES, BATCH_BYTES = 256, 8 * 2**20
#: Kinds of records that hold documents: pages, files without HTTP, a crawler's own plain text (WET).
_WANTED = frozenset({"response", "resource", "conversion"})
_WAT_TYPE = "application/json"


@dataclass(slots=True)
class _Row:
    """A record on its way: waiting for the parser (``page``), or done (``extracted``)."""

    record: ArchiveRecord
    content_type: str | None
    page: RawPage | None
    extracted: ExtractedPage | None
    threshold: float | None = None


def read_archive(unit: SourceUnit, parameters: ArchiveParameters, context: RunContext) -> Iterator[pa.RecordBatch]:
    """The pages of an archive as documents, in the order of their records.

    Texts of WET files and plain text are taken as they are; of WAT files the text is the record's JSON. While one batch is
    parsed in another process, the next is read.

    Rejects:
        page_too_large, page_too_deep, page_too_many_elements, page_too_many_attributes, record_too_large: Beyond the limits.
        parser_timeout, parser_memory, parser_crashed: What the page did to its parser.
        undecodable, damaged_body: No text can be had of it.
        empty_text: The engine found nothing.
        repeated_id: Its identity was that of an earlier record of the file.
        digest_mismatch: Its block has not the digest that it states; parameter ``digests``.
        damaged_record, truncated_record: Cannot be read. Value and threshold are the first byte of the file in which it lies and
            the one behind the last; what counts as one says ``archive_salvage``.

    Raises:
        InputError: The file is no archive.
    """
    seen = SeenIds()
    is_wat = getattr(parameters, "kind", None) == "wat" or unit.path.endswith((".wat", ".wat.gz"))
    wanted = frozenset({"metadata"}) if is_wat else _WANTED
    skipped: Counter[str] = Counter()
    account: dict[str, int] = {}
    with _opened(unit, parameters) as file, parser_process(parameters) as parser:
        reader = ArchiveReader(file, unit.uri, wanted, parameters.record_bytes, parameters.digests != "ignore")
        earlier: list[_Row] = []
        until_earlier: dict[str, int] = {}
        try:
            for rows in _gathered(_rows(reader, parameters, skipped)):
                # When this batch is the last one that is wanted, the records after it were not read as far as anyone can tell.
                account = until_earlier | {"archives.unfinished": 1}
                until_earlier = _account(reader, skipped)
                yield from _collected(earlier, parser, seen, parameters)
                parser.submit([row.page for row in rows if row.page is not None])
                earlier = rows
            account = _account(reader, skipped)
            yield from _collected(earlier, parser, seen, parameters)
        finally:
            for name, count in account.items():
                context.count(name, count)


def _account(reader: ArchiveReader, skipped: Mapping[str, int]) -> dict[str, int]:
    """What has become of the records up to here, those in batches apart."""
    kinds = {f"skipped.type.{kind}": count for kind, count in reader.kinds.items() if kind not in reader.wanted}
    counted = (("skipped", skipped), ("digests", reader.digests))
    named = {f"{group}.{name}": count for group, counts in counted for name, count in counts.items()}
    return {"records.in_archives": reader.records} | kinds | named


@contextmanager
def _opened(unit: SourceUnit, parameters: ArchiveParameters) -> Iterator[IO[bytes]]:
    if getattr(parameters, "keep_raw", False):
        with open(fetch(unit), "rb") as file:
            yield file
    else:
        with open_unit(unit) as file:
            yield file


def _rows(reader: ArchiveReader, parameters: ArchiveParameters, skipped: Counter[str]) -> Iterator[_Row]:
    """Records that could be documents; the others are counted in ``skipped``."""
    for record in reader:
        if isinstance(record, LostRecord):
            yield _Row(record_of(record), None, None, _rejected(f"{record.reason}_record", record.start), float(record.stop))
            continue
        reason, content_type = _skip(record, parameters)
        if reason is not None:
            skipped[reason] += 1
            continue
        row = _Row(record, content_type, None, None)
        if record.is_changed and parameters.digests == "reject":
            row.extracted = _rejected("digest_mismatch", None)
        elif record.body is None:
            row.extracted = _rejected("record_too_large", record.length)
        else:
            _take_body(row, record.body, parameters)
        record.body = None
        if row.page is not None and _claims_another(claimed_language(row.page[0]), parameters):
            skipped["language"] += 1
            continue
        yield row


def _skip(record: ArchiveRecord, parameters: ArchiveParameters) -> tuple[str | None, str | None]:
    """Why a record is passed over (None: it is not), and its content type."""
    if record.kind == "conversion":
        return ("language" if _claims_another(record.languages, parameters) else None), "text/plain"
    if record.kind == "metadata":
        return (None if _bare_type(record.content_type) == _WAT_TYPE else "content_type"), _WAT_TYPE
    if record.kind == "response":
        if record.http is None and record.body is not None:
            return "no_http", None
        if record.http is not None and record.http.status not in parameters.statuses:
            return "status", None
        declared = record.http.content_type if record.http else None
    else:
        declared = record.content_type
    content_type = _bare_type(record.identified_type) or _bare_type(declared)
    if content_type not in parameters.content_types and (record.http is not None or record.body is not None):
        return "content_type", content_type
    return None, content_type


def _bare_type(value: str | None) -> str | None:
    return value.partition(";")[0].strip().lower() if value else None


def _claims_another(languages: str | None, parameters: ArchiveParameters) -> bool:
    if not parameters.languages or not languages:
        return False
    return not any(language.strip().lower().partition("-")[0] in parameters.languages for language in languages.split(","))


def _take_body(row: _Row, body: bytes, parameters: ArchiveParameters) -> None:
    """Gives the row its page, or what has become of it already."""
    http, limit = row.record.http, parameters.limits.page_bytes
    if row.record.kind == "metadata":
        row.extracted = _wat_metadata(body)
        return
    try:
        page = page_of(body, http.transfer_encoding, http.content_encoding, limit) if http else body
    except BodyTooLargeError as error:
        row.extracted = _rejected("page_too_large", error.bytes)
        return
    except DamagedBodyError:
        row.extracted = _rejected("damaged_body", None)
        return
    if len(page) > limit:
        row.extracted = _rejected("page_too_large", len(page))
    elif row.content_type == "text/plain":
        row.extracted = _plain_text(page, http.charset if http else "utf-8" if row.record.kind == "conversion" else None)
        row.extracted.columns["language_hint"] = (row.record.languages or "").partition(",")[0] or None
    else:
        row.page = (page, http.charset if http else None, row.record.url)


def _plain_text(page: bytes, charset: str | None) -> ExtractedPage:
    decoded = decode_page(page, charset)
    columns = dict.fromkeys(PAGE_COLUMNS) | {"encoding": decoded.encoding}
    text = decoded.text.strip()
    return ExtractedPage(text, None, None, columns) if text else ExtractedPage(None, "empty_text", None, columns)


def _wat_metadata(body: bytes) -> ExtractedPage:
    """The record's JSON as text, with title, description and canonical address where it has them."""
    extracted = _plain_text(body, "utf-8")
    try:
        answer = json.loads(body)["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]
        head = answer["HTML-Metadata"]["Head"]
        title = head.get("Title")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return extracted
    extracted.columns["title"] = title if isinstance(title, str) else None
    for meta in head.get("Metas") or []:
        if isinstance(meta, dict) and meta.get("name") == "description" and isinstance(meta.get("content"), str):
            extracted.columns["description"] = meta["content"]
    for link in head.get("Link") or []:
        if isinstance(link, dict) and link.get("rel") == "canonical" and isinstance(link.get("url"), str):
            extracted.columns["canonical_url"] = link["url"]
    return extracted


def _rejected(reason: str, value: float | None) -> ExtractedPage:
    return ExtractedPage(None, reason, None if value is None else float(value), dict.fromkeys(PAGE_COLUMNS))


def _gathered(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    """Rows in batches of bounded size: no more than two are held at a time."""
    batch: list[_Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.page[0]) if row.page else len(row.extracted.text or "") if row.extracted else 0
        if len(batch) >= BATCH_PAGES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _collected(rows: list[_Row], parser: ParserProcess, seen: SeenIds, parameters: ArchiveParameters) -> Iterator[pa.RecordBatch]:
    """The batch of what was sent to the parser; none for no rows."""
    if not rows:
        return
    waiting = [row for row in rows if row.page is not None]
    for row, extracted in zip(waiting, parser.collect(), strict=True):
        row.page, row.extracted = None, extracted
    yield _batch(rows, seen, archive_columns(parameters))


def _batch(rows: Sequence[_Row], seen: SeenIds, columns: dict[str, str]) -> pa.RecordBatch:
    pages = [row.extracted for row in rows]
    values: dict[str, list[Any]] = {
        "text": [page.text for page in pages],
        "native_id": [row.record.record_id for row in rows],
        "url": [row.record.url for row in rows],
        "crawled": [_time(row.record.date) for row in rows],
        "content_type": [row.content_type for row in rows],
    }
    values |= {name: [page.columns[name] for page in pages] for name in PAGE_COLUMNS}
    reasons = [page.reason for page in pages]
    native = pa.array(values["native_id"], pa.string())
    for row in np.flatnonzero(seen.repeated(native, np.array([reason is None for reason in reasons]))).tolist():
        reasons[row] = "repeated_id"
        values["native_id"][row] = None  # the ledger shows which record it was by its file and place
    values |= {
        "reject_reason": reasons,
        "reject_value": [page.value for page in pages],
        "reject_threshold": [row.threshold for row in rows],
        "failed_rules": [[reason] if reason else None for reason in reasons],
    }
    types = {"text": "string", "native_id": "string"} | columns | dict(REJECTION_COLUMNS)
    return pa.RecordBatch.from_arrays([pa.array(values[name], arrow_type(kind)) for name, kind in types.items()], names=list(types))


def _time(date: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(date) if date else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found
