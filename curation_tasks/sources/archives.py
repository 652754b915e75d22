"""Records of web archives: WARC (so WET and WAT) and ARC, plain, gzip or lz4, whole or damaged.

The form is told by the bytes, not by the name. Where a record cannot be read, reading goes on at the next place where one
begins, and each record that was lost is counted with its place. Sources: ISO 28500:2017 (WARC 1.1); "ARC file format", Internet
Archive, 1996.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple

from curation_tasks.errors import CurationError, InputError
from curation_tasks.sources.archive_digests import matches
from curation_tasks.sources.archive_heads import (
    PADDING,
    WARC_HEAD,
    WINDOW_BYTES,
    ArcFormat,
    ArchiveFormat,
    Head,
    WarcFormat,
    arc_fields,
    head_of,
    holds_many_records,
)
from curation_tasks.sources.archive_record import ArchiveRecord, Headers
from curation_tasks.sources.archive_salvage import LONGEST_RECORD_BYTES, LostRecord, Salvage, WholeRecord

_HTTP_HEAD_BYTES = 2**15
#: A file whose first record is damaged is an archive if one begins within so much.
_SEARCHED_BYTES = 64 * 2**20


@dataclass
class ArchiveReader:
    """Reads the records of a file, once.

    Attributes:
        file: Seekable, at its beginning. What it raises passes through.
        uri: For messages.
        wanted: Kinds that are yielded; others are only counted.
        record_bytes: A longer record is yielded without its body.
        verify: Whether records are checked against the digests that they state.
        kinds: Kind → records that could be read, wanted or not.
        unreadable: Reason → records that could not: ``damaged``, ``truncated``. What counts as one says ``archive_salvage``.
        digests: What ``verify`` found → wanted records: ``verified``, ``mismatched`` (``ArchiveRecord.is_changed``), ``absent``,
            ``unknown`` (written in no known way), and ``payload_verified``, ``payload_mismatched`` where only the payload has one.
    """

    file: IO[bytes]
    uri: str
    wanted: frozenset[str]
    record_bytes: int = 2**26
    verify: bool = False
    kinds: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    digests: Counter[str] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        """All of them so far."""
        return self.kinds.total() + self.unreadable.total()

    def __iter__(self) -> Iterator[ArchiveRecord | LostRecord]:
        """The wanted records and those that are lost, in their order.

        Raises:
            InputError: The file is no archive.
        """
        begin = self.file.read(WINDOW_BYTES)
        form = self._form(begin)
        if form is None:
            return
        if isinstance(form, ArcFormat) or self._begins_badly(begin) or holds_many_records(begin, form):
            yield from self._salvaged(Salvage(self.file, form, self.record_bytes), 0)
        else:
            yield from self._trusted(form)

    # --- form ----------------------------------------------------------------------------------------------------------

    def _form(self, begin: bytes) -> ArchiveFormat | None:
        """What the file is; None when it is empty."""
        head = head_of(begin)
        if not begin or head == b"":
            return None
        if head is not None:
            head = head.lstrip(PADDING)
            if head.startswith(b"WARC/"):
                return WarcFormat()
            if head.startswith(b"filedesc:") and ArcFormat().begins(head):
                return ArcFormat()
        forms: tuple[ArchiveFormat, ...] = (WarcFormat(), ArcFormat())
        for form in reversed(forms) if head is not None and head.startswith(b"filedesc:") else forms:
            if Salvage(self.file, form, self.record_bytes).next_head(0, _SEARCHED_BYTES) is not None:
                return form
        raise InputError("this is no web archive", where=self.uri, expected="WARC, WET, WAT or ARC; plain, gzip or lz4")

    def _begins_badly(self, begin: bytes) -> bool:
        head = head_of(begin)
        return head is None or WARC_HEAD.match(head.lstrip(PADDING)) is None

    # --- reading ---------------------------------------------------------------------------------------------------------

    def _trusted(self, form: ArchiveFormat) -> Iterator[ArchiveRecord | LostRecord]:
        """The records by fastwarc, each when the next one has begun well; the last one, and all from damage on, by salvage."""
        from fastwarc.warc import ArchiveIterator

        self.file.seek(0)
        held: _Read | None = None
        given = place = 0
        try:
            for record in ArchiveIterator(self.file, parse_http=False, fsspec_args=False):  # type: ignore[arg-type]
                read = self._read(record)
                if held is not None:
                    given += 1
                    self._count(held)
                    if held.record is not None:
                        yield held.record
                held, place = read, record.stream_pos
        except (CurationError, MemoryError, GeneratorExit):
            raise
        except BaseException as error:
            if not _is_damage(error):
                raise
        salvage = Salvage(self.file, form, self.record_bytes)
        if held is not None and not self._is_at(salvage, place, held.headers):
            place = 0  # it lies in a member with others, and where that begins is not known
        skipped = 0 if place or not held else given
        yield from self._salvaged(salvage, place if held is not None else 0, skipped)

    def _read(self, record: Any) -> _Read:
        """A record as fastwarc has it.

        Raises:
            OSError: It is not what it says, and has to be looked at closely.
        """
        kind, length = str(record.record_type), record.content_length
        headers = record.headers
        if (length == 0 and (headers.get("Content-Length") or "").strip() != "0") or length > LONGEST_RECORD_BYTES:
            raise OSError("a length that is none")
        if kind not in self.wanted:
            return _Read(kind, headers, None)
        if length > self.record_bytes:
            return _Read(kind, headers, ArchiveRecord(kind, length, None, headers))
        outcome = None
        if self.verify:
            record, outcome = _checked(record, headers.get("WARC-Block-Digest"))
        answer = _answer(record) if kind == "response" and record.is_http else None
        rest = record.content_length
        body = record.reader.read()
        if len(body) < rest:
            raise OSError("a record that is shorter than it says")
        if outcome == "absent":
            outcome = _payload_outcome(headers, body)
        return _Read(kind, headers, ArchiveRecord(kind, length, body, headers, answer, outcome == "mismatched"), outcome)

    def _is_at(self, salvage: Salvage, place: int, headers: Any) -> bool:
        """Whether it is the record with these headers that begins at this place."""
        for item in salvage.records(place):
            return item.head is not None and list(_headers_of(item.head) or ()) == list(headers)
        return False

    def _salvaged(self, salvage: Salvage, place: int, skipped: int = 0) -> Iterator[ArchiveRecord | LostRecord]:
        for item in salvage.records(place):
            if isinstance(item, LostRecord):
                self.unreadable[item.reason] += 1
                yield item
            elif skipped:
                skipped -= 1
            else:
                try:
                    read = self._read_arc(item) if isinstance(salvage.form, ArcFormat) else self._read_warc(item)
                except (CurationError, MemoryError, GeneratorExit):
                    raise
                except BaseException as error:
                    if not _is_damage(error):
                        raise
                    self.unreadable["damaged"] += 1
                    yield LostRecord("damaged", item.start, item.stop)
                    continue
                self._count(read)
                if read.record is not None:
                    yield read.record

    def _count(self, read: _Read) -> None:
        self.kinds[read.kind] += 1
        if read.digest is not None:
            self.digests[read.digest] += 1

    def _read_warc(self, item: WholeRecord) -> _Read:
        record = _parsed(item.head, item.block or b"")
        if item.block is not None:
            return self._read(record)
        kind, headers = str(record.record_type), record.headers
        return _Read(kind, headers, ArchiveRecord(kind, item.head.length or 0, None, headers) if kind in self.wanted else None)

    def _read_arc(self, item: WholeRecord) -> _Read:
        url, stamp, content_type = arc_fields(item.head.data)
        kind = "warcinfo" if url.startswith("filedesc:") else "response"
        date = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[8:10]}:{stamp[10:12]}:{stamp[12:14]}Z" if len(stamp) >= 14 else None
        headers = {"WARC-Target-URI": url, "WARC-Date": date, "Content-Type": content_type}
        if kind not in self.wanted:
            return _Read(kind, headers, None)
        record = ArchiveRecord(kind, item.head.length or 0, item.block, headers)
        if item.block and url.startswith(("http:", "https:")):
            answered = _parsed(Head(_ANSWER % len(item.block), len(item.block)), item.block)
            record.answer = _answer(answered)
            record.body = answered.reader.read()
        return _Read(kind, headers, record)


class _Read(NamedTuple):
    """A record that could be read; ``record`` is None when its kind is not wanted."""

    kind: str
    headers: Any
    record: ArchiveRecord | None
    digest: str | None = None


def _checked(record: Any, stated: str | None) -> tuple[Any, str]:
    """What becomes of a record's block digest; the record is given back, as looking closely uses it up."""
    if not stated:
        return record, "absent"
    if record.verify_block_digest():
        return record, "verified"
    # fastwarc knows SHA-1, SHA-256 and MD5 in hexadecimal and upper-case Base32.
    block = record.reader.read()
    if len(block) < record.content_length:
        raise OSError("a record that is shorter than it says")
    matched = matches(stated, block)
    kind = str(record.record_type).encode()
    again = _ANSWER.replace(b"response\r\n", kind + b"\r\n", 1) if record.is_http else _ANSWER.replace(b"application/http", b"x")
    return _parsed(Head(again % len(block), len(block)), block), {True: "verified", False: "mismatched", None: "unknown"}[matched]


def _payload_outcome(headers: Headers, body: bytes) -> str:
    stated = headers.get("WARC-Payload-Digest")
    if not stated or headers.get("WARC-Type") == "revisit":
        return "absent"
    return {True: "payload_verified", False: "payload_mismatched", None: "unknown"}[matches(stated, body)]


def record_of(lost: LostRecord) -> ArchiveRecord:
    """What is known of a record that cannot be read: its headers, where they could be."""
    headers: Any = {}
    if lost.head is not None and lost.head.data.startswith(b"WARC/"):
        headers = _headers_of(lost.head) or {}
    elif lost.head is not None:
        headers = {"WARC-Target-URI": arc_fields(lost.head.data)[0]}
    return ArchiveRecord("unknown", 0, None, headers)


#: What of a WARC header fastwarc knows only in this spelling, and with these line ends.
_SPELLED = re.compile(rb"(?im)^(content-length|content-type|warc-type)[ \t]*:")
_SPELLINGS = {b"content-length": b"Content-Length:", b"content-type": b"Content-Type:", b"warc-type": b"WARC-Type:"}
_ANSWER = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: %d\r\n\r\n"


def _parsed(head: Head, block: bytes) -> Any:
    """A record by fastwarc, of its head and block alone."""
    from fastwarc.warc import ArchiveIterator

    data = _SPELLED.sub(lambda match: _SPELLINGS[match[1].lower()], re.sub(rb"[ \t]*\r?\n", b"\r\n", head.data))
    return next(iter(ArchiveIterator(io.BytesIO(data + block + b"\r\n\r\n"), parse_http=False, fsspec_args=False)))


def _headers_of(head: Head) -> Any:
    """The headers of a WARC record, None where fastwarc refuses them."""
    try:
        return _parsed(head, b"").headers
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if not _is_damage(error):
            raise
        return None


def _is_damage(error: BaseException) -> bool:
    """Errors of the iterator's own: of data, and the panics of its compiled code, which are no ``Exception``."""
    return (
        type(error) in (OSError, ValueError, OverflowError, UnicodeDecodeError, StopIteration) or type(error).__name__ == "PanicException"
    )


def _answer(record: Any) -> tuple[int | None, Headers] | None:
    """Parses the answer's header; None when it has none. The record's reader stands at the body then."""
    try:
        record.parse_http("none", _HTTP_HEAD_BYTES, True)
    except OSError:
        return None
    headers = record.http_headers
    is_answer = headers is not None and (headers.status_line or "").startswith(("HTTP", "ICY"))
    return (headers.status_code, headers) if is_answer else None
