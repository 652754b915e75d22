"""Records of web archives: WARC (so WET and WAT) and ARC, plain, gzip or lz4, whole or damaged.

The form is told by the bytes, not by the name. Where a record cannot be read, reading goes on at the next place where one
begins, and what was lost is counted. Sources: ISO 28500:2017 (WARC 1.1); "ARC file format", Internet Archive, 1996.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, Any, Protocol

from curation_tasks.errors import CurationError, InputError
from curation_tasks.sources.archive_heads import (
    ARC_HEAD,
    GZIP,
    LZ4,
    WARC_HEAD,
    WINDOW_BYTES,
    compressed_head,
    has_more_than_one_record,
    head_of,
)

_HTTP_HEAD_BYTES = 2**15
#: A file whose first record is damaged is an archive if one begins within so much.
_SEARCHED_BYTES = 64 * 2**20
#: No record is that long: its length is wrong, and passing over it would read for hours.
_LONGEST_RECORD_BYTES = 64 * 2**30


@dataclass(slots=True)
class HttpHead:
    """What an archived answer's header says; null where it does not."""

    status: int | None
    content_type: str | None
    charset: str | None
    transfer_encoding: str | None
    content_encoding: str | None


class Headers(Protocol):
    """Header fields, by name in any case."""

    def get(self, name: str) -> str | None: ...


@dataclass
class ArchiveRecord:
    """One record. Fields of its headers are looked up when they are asked for: of most records few are.

    Attributes:
        kind: ``response``, ``resource``, ``conversion``, ``metadata`` … as the record says.
        length: Bytes that its header states.
        body: The answer's body, or the record's block where it is no answer. Null when it is longer than the reader's bound.
        headers: Its own, named as in WARC.
        answer: Status and headers of the archived answer; null where there is none, or it could not be read.
    """

    kind: str
    length: int
    body: bytes | None
    headers: Headers
    answer: tuple[int | None, Headers] | None = None

    @property
    def record_id(self) -> str | None:
        """Its identity without ``<urn:uuid:…>``; null in ARC."""
        value = self.headers.get("WARC-Record-ID")
        return value.strip().strip("<>").removeprefix("urn:uuid:") or None if value else None

    @property
    def url(self) -> str | None:
        """Without the angle brackets of some crawlers."""
        value = self.headers.get("WARC-Target-URI")
        return value.strip().strip("<>") or None if value else None

    @property
    def date(self) -> str | None:
        """ISO 8601, UTC."""
        return self.headers.get("WARC-Date")

    @property
    def content_type(self) -> str | None:
        """Of the block."""
        return self.headers.get("Content-Type")

    @property
    def identified_type(self) -> str | None:
        """What the crawler took the payload for."""
        return self.headers.get("WARC-Identified-Payload-Type")

    @property
    def languages(self) -> str | None:
        """Codes that the crawler identified, separated by commas."""
        return self.headers.get("WARC-Identified-Content-Language")

    @cached_property
    def http(self) -> HttpHead | None:
        if self.answer is None:
            return None
        status, headers = self.answer
        content_type = headers.get("Content-Type")
        return HttpHead(status, *_content_type(content_type), headers.get("Transfer-Encoding"), headers.get("Content-Encoding"))


@dataclass
class ArchiveReader:
    """Reads the records of a file, once.

    Attributes:
        file: Seekable, at its beginning. What it raises passes through.
        uri: For messages.
        wanted: Kinds that are yielded; others are only counted.
        record_bytes: A longer record is yielded without its body.
        records: All of them: those of a known kind, and the places where none could be read.
        kinds: Kind → records whose header could be read, wanted or not.
        unreadable: Reason → records that are not yielded: ``damaged`` (a place where no record could be made of what is there)
            and ``truncated`` (shorter than it says).
    """

    file: IO[bytes]
    uri: str
    wanted: frozenset[str]
    record_bytes: int = 2**26
    records: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[ArchiveRecord]:
        """The wanted records, in their order.

        Raises:
            InputError: The file is no archive.
        """
        start, is_arc = self._look()
        if start is not None:
            yield from (self._arc if is_arc else self._warc)(start)

    # --- form ----------------------------------------------------------------------------------------------------------

    def _look(self) -> tuple[int | None, bool]:
        """Where the first record begins (None in an empty file), and whether the file is ARC."""
        begin = self.file.read(WINDOW_BYTES)
        head = head_of(begin)
        if not begin or head == b"":
            return None, False
        if head is not None and head.lstrip(b"\r\n\x00").startswith(b"WARC/"):
            return 0, False
        if head is not None and head.startswith(b"filedesc:"):
            return 0, True
        for is_arc in (False, True):
            found = self._next_head(0, is_arc, _SEARCHED_BYTES)
            if found is not None:
                self._count_damage()
                return found, is_arc
        raise InputError("this is no web archive", where=self.uri, expected="WARC, WET, WAT or ARC; plain, gzip or lz4")

    def _next_head(self, start: int, is_arc: bool, most: int | None = None) -> int | None:
        """The first place from ``start`` on where a record begins; None when none does."""
        pattern = ARC_HEAD if is_arc else WARC_HEAD
        self.file.seek(start)
        window, place = b"", start
        while most is None or place - start < most:
            block = self.file.read(WINDOW_BYTES)
            if not block:
                return None
            window += block
            found = [match.start(1) for match in [pattern.search(window)] if match]
            found += [at for magic in (GZIP, LZ4) if (at := compressed_head(window, magic, pattern)) is not None]
            # A head near the window's end is looked at again with what follows it.
            found = [at for at in found if at < len(window) - 4096 or len(block) < WINDOW_BYTES]
            if found:
                return place + min(found)
            keep = min(len(window), 8192)
            place += len(window) - keep
            window = window[-keep:]
        return None

    # --- WARC ----------------------------------------------------------------------------------------------------------

    def _warc(self, start: int) -> Iterator[ArchiveRecord]:
        from fastwarc.warc import ArchiveIterator

        found_again = True  # the place where reading begins was counted, if anything was lost there
        while True:
            self.file.seek(start)
            last, whole, read = start - 1, False, 0
            try:
                for record in ArchiveIterator(self.file, parse_http=False, fsspec_args=False):  # type: ignore[arg-type]
                    last, whole = record.stream_pos, False
                    made = self._record(record)
                    read += 1
                    whole = True
                    if made is not None:
                        yield made
                self._count_lost_tail(last)
                return
            except (CurationError, MemoryError, GeneratorExit):
                raise
            except BaseException as error:
                if not _is_damage(error):
                    raise
            if last >= start and not whole:
                self.unreadable["damaged"] += 1  # the record whose block could not be read; it is counted as a record already
            elif read or not found_again:
                self._count_damage()  # the one after it
            found_again = read > 0 and whole
            following = self._next_head(last + 1 if last >= start else start + 1, is_arc=False)
            if following is None:
                return
            start = following

    def _record(self, record: Any) -> ArchiveRecord | None:
        """A record with its body, counted; None when it is not wanted or cannot be read."""
        kind, length = str(record.record_type), record.content_length
        if length == 0 and record.headers.get("Content-Length") is None:
            self._count_damage()
            return None
        self.records += 1
        self.kinds[kind] += 1
        if length > _LONGEST_RECORD_BYTES:
            raise OSError(f"a record of {length:,} bytes")
        if kind not in self.wanted:
            return None
        if length > self.record_bytes:
            return ArchiveRecord(kind, length, None, record.headers)
        answer = _answer(record) if kind == "response" and record.is_http else None
        rest = record.content_length
        body = record.reader.read()
        if len(body) < rest:
            self.unreadable["truncated"] += 1
            return None
        return ArchiveRecord(kind, length, body, record.headers, answer)

    def _count_lost_tail(self, last: int) -> None:
        """Counts a record that is cut within its header at the end of the file: the iterator does not tell of it."""
        if last < 0:
            return
        self.file.seek(last)
        if has_more_than_one_record(self.file):
            self.records += 1
            self.unreadable["truncated"] += 1

    def _count_damage(self) -> None:
        self.records += 1
        self.unreadable["damaged"] += 1

    # --- ARC -----------------------------------------------------------------------------------------------------------

    def _arc(self, start: int) -> Iterator[ArchiveRecord]:
        from warcio.archiveiterator import ArchiveIterator
        from warcio.exceptions import ArchiveLoadFailed

        class Quiet(ArchiveIterator):
            INC_RECORD = ""  # its warning on standard error quotes the file

        is_one_member, read = False, 0
        while True:
            self.file.seek(start)
            records = Quiet(_Unzipped(self.file) if is_one_member else self.file)
            records.known_format = "arc" if start else None
            last, passed = start - 1, read if is_one_member else 0
            try:
                for record in records:
                    last = records.offset
                    if passed:
                        passed -= 1
                        continue
                    read += 1
                    made = self._arc_record(record)
                    if made is not None:
                        yield made
                return
            except (ArchiveLoadFailed, EOFError, ValueError, zlib.error) as error:
                if "non-chunked gzip" in str(error) and not is_one_member and start == 0 and read == 1:
                    is_one_member = True  # the first record was read, the others lie in the same member
                    continue
                self._count_damage()
            following = self._next_head(max(last, start) + 1, is_arc=True)
            if following is None:
                return
            start, is_one_member = following, False

    def _arc_record(self, record: Any) -> ArchiveRecord | None:
        url = record.rec_headers.get_header("uri") or ""
        stamp = record.rec_headers.get_header("archive-date") or ""
        if not _SCHEME.match(url) or not stamp[:8].isdecimal():
            raise ValueError("a line that is no record's header")
        kind = "warcinfo" if record.rec_type == "arc_header" else record.rec_type
        self.records += 1
        self.kinds[kind] += 1
        if kind not in self.wanted:
            return None
        length = record.length if record.length and record.length > 0 else 0
        body = record.raw_stream.read(length) if length <= self.record_bytes else None
        date = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[8:10]}:{stamp[10:12]}:{stamp[12:14]}Z" if len(stamp) >= 14 else None
        headers = {"WARC-Target-URI": url, "WARC-Date": date, "Content-Type": record.rec_headers.get_header("content-type")}
        answer = None
        if record.http_headers is not None:
            status = record.http_headers.get_statuscode()
            named = {name: record.http_headers.get_header(name) for name in ("Content-Type", "Transfer-Encoding", "Content-Encoding")}
            answer = (int(status) if status.isdecimal() else None, named)
        return ArchiveRecord(kind, length, body, headers, answer)


class _Unzipped:
    """A file whose records lie in one gzip member."""

    def __init__(self, file: IO[bytes]):
        import gzip

        self._file, self._gzip = file, gzip.GzipFile(fileobj=file)

    def read(self, size: int = -1) -> bytes:
        return self._gzip.read(size)

    def tell(self) -> int:
        return self._file.tell()


def _is_damage(error: BaseException) -> bool:
    """Errors of the iterator's own: of data, and the panics of its compiled code, which are no ``Exception``."""
    return type(error) in (OSError, ValueError, OverflowError, UnicodeDecodeError) or type(error).__name__ == "PanicException"


def _answer(record: Any) -> tuple[int | None, Headers] | None:
    """Parses the answer's header; None when it has none. The record's reader stands at the body then."""
    try:
        record.parse_http("none", _HTTP_HEAD_BYTES, True)
    except OSError:
        return None
    headers = record.http_headers
    is_answer = headers is not None and (headers.status_line or "").startswith(("HTTP", "ICY"))
    return (headers.status_code, headers) if is_answer else None


_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)


def _content_type(value: str | None) -> tuple[str | None, str | None]:
    """MIME type in lower case, and charset."""
    if not value:
        return None, None
    charset = _CHARSET.search(value)
    return value.partition(";")[0].strip().lower() or None, charset[1] if charset else None
