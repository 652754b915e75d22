"""The body of an archived HTTP answer as its page: chunks joined, compression undone, never larger than a bound.

Archives hold bodies as servers sent them and headers that do not fit them: chunked bodies without chunks, gzip that is none, and
gzip that no header tells of. So a body is judged by its bytes, and a label that does not fit is passed over.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable

_BLOCK_BYTES = 2**18
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
    size = 0
    rest = body
    while rest:
        stream = zlib.decompressobj(window)
        try:
            piece = stream.decompress(rest, limit - size + 1)
        except zlib.error:
            piece = _until_error(rest, window, limit - size)
            rest = b""
        else:
            # What follows a member is the next one, or padding.
            rest = stream.unused_data if stream.eof and stream.unused_data.startswith(_GZIP) else b""
        pages.append(piece)
        size += len(piece)
        if size > limit:
            raise BodyTooLargeError(size)
    if not size and body:
        raise DamagedBodyError
    return b"".join(pages)


def _until_error(body: bytes, window: int, limit: int) -> bytes:
    """What a damaged stream gives before its error: fed in small pieces, as zlib gives nothing of a piece that has one."""
    stream = zlib.decompressobj(window)
    pieces: list[bytes] = []
    size = 0
    try:
        for start in range(0, len(body), 512):
            pieces.append(stream.decompress(body[start : start + 512], limit - size + 1))
            size += len(pieces[-1])
            if size > limit:
                break
    except zlib.error:
        pass
    return b"".join(pieces)


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
