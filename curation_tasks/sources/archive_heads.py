"""Where records of archives begin and what their first lines say, in bytes that may be compressed and damaged."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from typing import ClassVar, Protocol

GZIP, LZ4 = b"\x1f\x8b\x08", b"\x04\x22\x4d\x18"
WARC_HEAD = re.compile(rb"(WARC/\d\.\d+[ \t]*\r?\n)")
ARC_HEAD = re.compile(rb"(?:\A|\n)([a-z]+:[^\s]* [^\s]+ \d{14,18} [^\n]*? -?\d+\r?\n)")
WINDOW_BYTES = 2**20
#: A longer header is none.
HEAD_BYTES = 2**16
#: What may stand between records and members.
PADDING = b"\r\n\x00"

_LENGTH = re.compile(rb"(?im)^content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r?$")
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:")
_LINE_BYTES = 2**14
#: The fixed part of a member's header: no reserved flags, a known compression hint and file system (RFC 1952; wget writes 19).
_GZIP_START = re.compile(rb"\x1f\x8b\x08[\x00-\x1f][\s\S]{4}[\x00\x02\x04][\x00-\x13\xff]")
#: Version 01 of a frame, block sizes of 64 KB to 4 MB.
_LZ4_START = re.compile(rb"\x04\x22\x4d\x18[\x40-\x7d][\x40\x50\x60\x70]")


@dataclass(frozen=True)
class Head:
    """What stands before a record's block.

    Attributes:
        data: Its bytes, the blank line included.
        length: Of the block, as stated; None where nothing usable is.
    """

    data: bytes
    length: int | None


class ArchiveFormat(Protocol):
    """WARC or ARC, as far as finding records goes.

    Attributes:
        pattern: Of a head's beginning; its first group is where the record begins.
        without_length: Whether a record that states no length ends where the next one begins; otherwise it is damaged.
    """

    pattern: ClassVar[re.Pattern[bytes]]
    without_length: ClassVar[bool]

    def begins(self, data: bytes) -> bool: ...

    def head(self, data: bytes) -> Head | None:
        """The head at the beginning of ``data``; None when there is none, or it does not end within ``HEAD_BYTES``."""


class WarcFormat:
    pattern, without_length = WARC_HEAD, False

    def begins(self, data: bytes) -> bool:
        return WARC_HEAD.match(data) is not None

    def head(self, data: bytes) -> Head | None:
        end = _header_end(data) if self.begins(data) else None
        if end is None:
            return None
        lengths = _LENGTH.findall(data, 0, end)
        return Head(data[:end], int(lengths[-1]) if lengths else None)


def _header_end(data: bytes) -> int | None:
    """Behind the first blank line. By plain searches: an expression takes 50 times as long, for each line that looks like a head."""
    ends = [at + len(blank) for blank in (b"\n\n", b"\n\r\n") if (at := data.find(blank, 0, HEAD_BYTES)) >= 0]
    return min(ends, default=None)


class ArcFormat:
    pattern, without_length = ARC_HEAD, True

    def begins(self, data: bytes) -> bool:
        return _arc_line(data) is not None

    def head(self, data: bytes) -> Head | None:
        line = _arc_line(data)
        if line is None:
            return None
        return Head(data[: data.index(b"\n") + 1], int(line[3]) if line[3].isdigit() and len(line[3]) <= 18 else None)


def _arc_line(data: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """Address, date, type and length. The address may have spaces; behind the type stands more in version 2, the length last.

    By fields, not by one expression: that would take time cubic in a line that is none.
    """
    end = data.find(b"\n", 0, _LINE_BYTES)
    if end < 0 or not _SCHEME.match(data):
        return None
    fields = bytes(data[:end]).rstrip(b" \t\r").split(b" ")
    for place in range(2, len(fields) - 1):
        if fields[place].isdigit() and 8 <= len(fields[place]) <= 18:
            return b" ".join(fields[: place - 1]), fields[place], fields[place + 1] if place + 2 < len(fields) else b"", fields[-1]
    return None


def arc_fields(line: bytes) -> tuple[str, str, str]:
    """Address, date and MIME type of an ARC record's first line."""
    found = _arc_line(line)
    if found is None:
        raise ValueError("no line of an ARC file")
    url, date, content_type, _ = (part.decode("utf-8", "replace") for part in found)
    return url, date, content_type


def is_compressed(data: bytes) -> bool:
    """Whether a gzip member or an lz4 frame begins here, as far as a few bytes tell."""
    return data.startswith(GZIP) or _LZ4_START.match(data) is not None


def member_starts(data: bytes) -> list[int]:
    """The places where a gzip member or an lz4 frame may begin, whatever is in it: of 10¹⁰ random places about one."""
    return sorted(match.start() for pattern in (_GZIP_START, _LZ4_START) for match in pattern.finditer(data))


def head_of(begin: bytes, size: int = 1024) -> bytes | None:
    """The first decompressed bytes of a file; b"" when there are none, None when they cannot be had."""
    if begin.startswith(GZIP):
        return _inflated(begin, size)
    if begin.startswith(LZ4):
        return _unlz4(begin, size)
    return begin[:size]


def _inflated(data: bytes, size: int) -> bytes | None:
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        head = stream.decompress(data[: max(65536, size)], size)
    except zlib.error:
        return _before_error(data) or None
    if head or not stream.eof:
        return head or None
    return head_of(stream.unused_data, size) if stream.unused_data else b""


def _before_error(data: bytes) -> bytes:
    """What a member gives before an error in its first bytes: zlib gives nothing of a piece that has one."""
    stream, pieces = zlib.decompressobj(16 + zlib.MAX_WBITS), []
    try:
        for place in range(0, min(len(data), 512), 32):
            pieces.append(stream.decompress(data[place : place + 32]))
    except zlib.error:
        pass
    return b"".join(pieces)


#: No empty frame is longer.
_EMPTY_LZ4_BYTES = 32


def _unlz4(data: bytes, size: int) -> bytes | None:
    from fastwarc.stream_io import Lz4Reader

    try:
        head = Lz4Reader(io.BytesIO(data)).read(size)
    except OSError:
        return None
    # Behind a frame that is empty, or damaged so that it looks empty, others may follow.
    return head if head or len(data) <= _EMPTY_LZ4_BYTES else None


def first_head(window: bytes, pattern: re.Pattern[bytes], compressed: bool | None) -> int | None:
    """The first place of a window where a record begins.

    Args:
        window: Bytes of a file.
        pattern: Of a record's first line, which is the pattern's first group.
        compressed: Whether it begins a member or frame of its own, or stands there by itself. None: by itself only where no
            member begins, as compressed bytes may show a record's first line too.
    """
    if compressed is not False:
        found = [at for magic in (GZIP, LZ4) if (at := _compressed_head(window, magic, pattern)) is not None]
        if found or compressed:
            return min(found, default=None)
    match = pattern.search(window)
    return match.start(1) if match else None


def _compressed_head(window: bytes, magic: bytes, pattern: re.Pattern[bytes]) -> int | None:
    place = window.find(magic)
    while place >= 0:
        # Of a member that is damaged further on, the first bytes are had by asking for no more.
        head = head_of(window[place : place + 65536], 256)
        if head and pattern.match(head.lstrip(PADDING)):
            return place
        place = window.find(magic, place + 1)
    return None


def holds_many_records(begin: bytes, form: ArchiveFormat) -> bool:
    """Whether the first member or frame of a file holds more than its first record, as far as ``begin`` shows."""
    if not is_compressed(begin):
        return False
    data = (head_of(begin, WINDOW_BYTES) or b"").lstrip(PADDING)
    head = form.head(data)
    if head is None or head.length is None:
        return False
    return bool(data[len(head.data) + head.length :].strip(PADDING))
