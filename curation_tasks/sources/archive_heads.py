"""Where records of archives begin, in bytes that may be compressed and damaged."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import IO, Any

from curation_tasks.errors import CurationError

GZIP, LZ4 = b"\x1f\x8b\x08", b"\x04\x22\x4d\x18"
WARC_HEAD = re.compile(rb"(WARC/\d\.\d+\r?\n)")
ARC_HEAD = re.compile(rb"(?:\A|\n)([a-z]+:[^\s]* [^\s]+ \d{14} [^\n]*? \d+\r?\n)")
WINDOW_BYTES = 2**20


def head_of(begin: bytes) -> bytes | None:
    """The first decompressed bytes of a file; b"" when there are none, None when they cannot be had."""
    if begin.startswith(GZIP):
        return _inflated(begin)
    if begin.startswith(LZ4):
        return _unlz4(begin)
    return begin[:1024]


def _inflated(data: bytes) -> bytes | None:
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        head = stream.decompress(data[:65536], 1024)
    except zlib.error:
        return None
    if head or not stream.eof:
        return head or None
    return head_of(stream.unused_data) if stream.unused_data else b""


def _unlz4(data: bytes) -> bytes | None:
    from fastwarc.stream_io import Lz4Reader

    try:
        return Lz4Reader(io.BytesIO(data)).read(1024)
    except OSError:
        return None


def compressed_head(window: bytes, magic: bytes, pattern: re.Pattern[bytes]) -> int | None:
    """The first place of a gzip member or lz4 frame that holds a record."""
    place = window.find(magic)
    while place >= 0:
        head = head_of(window[place : place + 65536])
        if head and pattern.match(head.lstrip(b"\r\n")):
            return place
        place = window.find(magic, place + 1)
    return None


def has_more_than_one_record(file: IO[bytes]) -> bool:
    """Whether anything but line ends follows the record that begins here. Reads to the end of the file, in pieces."""
    head, skip, blocks = b"", -1, _decompressed(file)
    for block in blocks:
        if skip < 0:
            head = (head + block).lstrip(b"\r\n")
            end = re.search(rb"\r?\n\r?\n", head)
            if not end:
                if len(head) > WINDOW_BYTES:
                    return False
                continue
            length = re.search(rb"(?i)\ncontent-length:\s*(\d+)", head[: end.end()])
            skip = int(length[1]) if length else 0
            block = head[end.end() :]
        if len(block) <= skip:
            skip -= len(block)
        elif block[skip:].strip(b"\r\n\x00"):
            return True
        else:
            skip = 0
    return False


def _decompressed(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of a file, decompressed, up to an error."""
    start = file.tell()
    magic = file.read(4)
    file.seek(start)
    if magic.startswith(GZIP):
        yield from _members(file)
        return
    reader: Any = file
    if magic == LZ4:
        from fastwarc.stream_io import Lz4Reader

        reader = Lz4Reader(file)  # type: ignore[arg-type]
    try:
        while block := reader.read(WINDOW_BYTES):
            yield block
    except CurationError:
        raise
    except OSError:
        return


def _members(file: IO[bytes]) -> Iterator[bytes]:
    """What gzip members hold; ``?`` stands for one that is none, or that breaks off, behind a whole one."""
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    rest, whole, begun = file.read(WINDOW_BYTES), 0, False
    while rest:
        begun = True
        try:
            block = stream.decompress(rest, WINDOW_BYTES)
        except zlib.error:
            yield b"?" if rest.strip(b"\x00") else b""
            return
        yield block
        if stream.eof:
            rest = stream.unused_data or file.read(WINDOW_BYTES)
            stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
            whole, begun = whole + 1, False
        else:
            rest = stream.unconsumed_tail or file.read(WINDOW_BYTES)
    if whole and begun:
        yield b"?"
