"""The body of an archived HTTP answer as its page: chunks joined, compression undone, never larger than a bound.

Archives hold bodies as servers sent them and headers that do not fit them: chunked bodies without chunks, gzip that is none, and
gzip that no header tells of. So a body is judged by its bytes, and a label that does not fit is passed over.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from typing import Any

_BLOCK_BYTES = 2**18
#: Of a compressed body at a time; a multiple of 512.
_FED_BYTES = 2**14
#: Of one body. Servers send one, or a few; without a bound a record could hold millions of empty ones.
_MOST_MEMBERS = 1000
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class BodyTooLargeError(Exception):
    """The body is larger than its bound; ``bytes`` have come so far."""

    def __init__(self, size: int):
        super().__init__(size)
        self.bytes = size


class DamagedBodyError(Exception):
    """Nothing can be had of the body."""


def page_of(body: bytes, transfer_encoding: str | None, content_encoding: str | None, limit: int) -> bytes:
    """The page in a body.

    Of compressed data that breaks off, what came before is the page, as browsers show it.

    Args:
        body: As archived.
        transfer_encoding: The header, which often does not fit the body.
        content_encoding: The same.
        limit: Most bytes of the page.

    Raises:
        BodyTooLargeError: The page has more; no more than ``limit`` and a block were held.
        DamagedBodyError: It is compressed, and nothing can be had of it.
    """
    if transfer_encoding and "chunked" in transfer_encoding.lower():
        body = _joined_chunks(body, limit) or body
    encodings = [item.strip() for item in (content_encoding or "").lower().split(",")]
    if body.startswith(_GZIP):
        return _inflated(body, 16 + zlib.MAX_WBITS, limit)
    if "br" in encodings:
        return _read(_brotli(body), limit, body)
    if "zstd" in encodings and body.startswith(_ZSTD):
        return _read(_zstd(body), limit, b"")
    if "deflate" in encodings:
        for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
            try:
                return _inflated(body, window, limit)
            except DamagedBodyError:
                continue
    if len(body) > limit:
        raise BodyTooLargeError(len(body))
    return body


def _joined_chunks(body: bytes, limit: int) -> bytes:
    """The chunks of a body, up to the first that is none; b"" when it is not chunked."""
    from resiliparse.parse.http import iterate_http_chunks

    chunks: list[bytes] = []
    size = 0
    try:
        for chunk in iterate_http_chunks(io.BytesIO(body)):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise BodyTooLargeError(size)
    except (OverflowError, ValueError, OSError):
        pass  # a size that is none ends the body
    return b"".join(chunks)


def _inflated(body: bytes, window: int, limit: int) -> bytes:
    """Of one or several gzip members, or a zlib stream; what came before an error."""
    pages: list[bytes] = []
    size = place = 0
    for _ in range(_MOST_MEMBERS):
        pieces, place = _member(body, place, window, limit - size)
        pages += pieces
        size += sum(map(len, pieces))
        if size > limit:
            raise BodyTooLargeError(size)
        # What follows a member is the next one, or padding.
        if not body.startswith(_GZIP, place):
            break
    if not size and body:
        raise DamagedBodyError
    return b"".join(pages)


def _member(body: bytes, place: int, window: int, limit: int) -> tuple[list[bytes], int]:
    """What the member that begins at ``place`` gives up to its end, its error or one byte more than ``limit``; and where it ends.

    It is fed in pieces: zlib copies what lies behind a member each time.
    """
    stream = zlib.decompressobj(window)
    pages: list[bytes] = []
    left = limit + 1
    while left > 0 and place < len(body) and not stream.eof:
        piece = body[place : place + _FED_BYTES]
        before = stream.copy()
        try:
            page = stream.decompress(piece, left)
        except zlib.error:
            return [*pages, *_until_error(before, piece, left)], len(body)
        pages.append(page)
        left -= len(page)
        place += len(piece) - len(stream.unused_data) - len(stream.unconsumed_tail)
    return pages, place


def _until_error(stream: Any, piece: bytes, left: int) -> list[bytes]:
    """What a damaged stream gives before its error: fed in small pieces, as zlib gives nothing of a piece that has one."""
    pages: list[bytes] = []
    try:
        for start in range(0, len(piece), 512):
            if left <= 0:
                break
            pages.append(stream.decompress(piece[start : start + 512], left))
            left -= len(pages[-1])
    except zlib.error:
        pass
    return pages


def _brotli(body: bytes) -> Iterable[bytes]:
    from fastwarc.stream_io import BrotliReader

    return _blocks(BrotliReader(io.BytesIO(body)))


def _zstd(body: bytes) -> Iterable[bytes]:
    from fastwarc.stream_io import ZstdReader

    return _blocks(ZstdReader(io.BytesIO(body)))


def _blocks(reader: io.BufferedIOBase) -> Iterable[bytes]:
    while block := reader.read(_BLOCK_BYTES):
        yield block


def _read(blocks: Iterable[bytes], limit: int, otherwise: bytes) -> bytes:
    """All blocks up to an error; ``otherwise`` when there are none, because the body is not what its label says."""
    pages: list[bytes] = []
    size = 0
    try:
        for block in blocks:
            pages.append(block)
            size += len(block)
            if size > limit:
                raise BodyTooLargeError(size)
    except OSError:
        pass
    if not size and not otherwise:
        raise DamagedBodyError
    if not size and len(otherwise) > limit:
        raise BodyTooLargeError(len(otherwise))
    return b"".join(pages) or otherwise
