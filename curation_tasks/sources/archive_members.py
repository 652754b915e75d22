"""One gzip member or lz4 frame of an archive: decompressed as it is read, up to its end or to the first byte that fails.

Unlike the readers of libraries these give all that comes before an error, and say where the member ends. Sources: RFC 1952 (gzip);
https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md.
"""

from __future__ import annotations

import struct
import weakref
import zlib
from enum import Enum
from typing import IO

from curation_tasks.errors import CurationError
from curation_tasks.sources.archive_heads import GZIP

_INPUT_BYTES, _OUTPUT_BYTES = 2**16, 2**20
_EXTRA, _NAME, _COMMENT, _HEADER_CHECK = 4, 8, 16, 2
_LZ4_BLOCK_BYTES = {4: 2**16, 5: 2**18, 6: 2**20, 7: 2**22}


class MemberState(Enum):
    """What has become of a member so far."""

    OPEN = "open"
    WHOLE = "whole"
    #: It cannot be decompressed, or does not fit its own check.
    DAMAGED = "damaged"
    #: The file ends in it.
    TRUNCATED = "truncated"


class Member:
    """Reads from ``start`` on; the file may be moved between reads.

    Attributes:
        state: ``OPEN`` until ``read`` has given b"".
        end: The byte behind it, or behind the last one that could be used.
    """

    def __init__(self, file: IO[bytes], start: int):
        self._file, self.start, self.end = file, start, start
        self.state = MemberState.OPEN

    def read(self) -> bytes:
        """The next piece of at most 1 MiB; b"" at the end."""
        raise NotImplementedError

    def _next(self, size: int) -> bytes:
        self._file.seek(self.end)
        data = self._file.read(size)
        self.end += len(data)
        return data


class GzipMember(Member):
    def __init__(self, file: IO[bytes], start: int):
        super().__init__(file, start)
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._check = self._size = 0
        data = self._next(_INPUT_BYTES)
        begin = _header_bytes(data)
        if begin is None:
            self.state = MemberState.TRUNCATED if len(data) < _INPUT_BYTES else MemberState.DAMAGED
        self._waiting = data[begin:]

    def read(self) -> bytes:
        while self.state is MemberState.OPEN:
            data = self._waiting or self._next(_INPUT_BYTES)
            if not data:
                self.state = MemberState.TRUNCATED
                break
            before = self._stream.copy()
            try:
                piece = self._stream.decompress(data, _OUTPUT_BYTES)
            except zlib.error:
                piece, used = _up_to_error(before, data)
                self.end -= len(data) - used
                self.state = MemberState.DAMAGED
                return piece
            self._waiting = self._stream.unconsumed_tail
            self._check, self._size = zlib.crc32(piece, self._check), self._size + len(piece)
            if self._stream.eof:
                self._finish(self._stream.unused_data)
            if piece:
                return piece
        return b""

    def _finish(self, rest: bytes) -> None:
        self.end -= len(rest)
        trailer = self._next(8)
        if len(trailer) < 8:
            self.state = MemberState.TRUNCATED
        elif struct.unpack("<II", trailer) == (self._check, self._size % 2**32):
            self.state = MemberState.WHOLE
        else:
            self.state = MemberState.DAMAGED


def _header_bytes(data: bytes) -> int | None:
    """Length of a member's header; None when it does not end within the data."""
    if len(data) < 10:
        return None
    flags, end = data[3], 10
    if flags & _EXTRA:
        end += 2 + int.from_bytes(data[10:12], "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            end = data.find(b"\0", end) + 1 or len(data) + 1
    end += 2 if flags & _HEADER_CHECK else 0
    return end if end <= len(data) else None


def _up_to_error(stream: zlib._Decompress, data: bytes) -> tuple[bytes, int]:
    """What a stream gives before its error, and how many bytes it took: zlib gives nothing of a piece that has an error."""
    pieces, used = [], 0
    for size in (4096, 64, 1):
        while used < len(data):
            before = stream.copy()
            try:
                pieces.append(stream.decompress(data[used : used + size]))
            except zlib.error:
                stream = before
                break
            used += size
    return b"".join(pieces), min(used, len(data))


class Lz4Frame(Member):
    """Blocks are walked here and decompressed by fastwarc, which asks for more than one frame otherwise."""

    def __init__(self, file: IO[bytes], start: int):
        from fastwarc.stream_io import Lz4Reader

        super().__init__(file, start)
        self._blocks = _Lz4Blocks(self)
        self._reader = Lz4Reader(self._blocks)  # type: ignore[arg-type]

    def read(self) -> bytes:
        if self.state is not MemberState.OPEN:
            return b""
        try:
            if piece := self._reader.read(_INPUT_BYTES):
                return piece
            self._blocks.drain()
        except CurationError:
            raise
        except OSError:
            if self._blocks.state is MemberState.OPEN:
                self._blocks.state = MemberState.DAMAGED
        self.state = self._blocks.state
        return b""


class _Lz4Blocks:
    """The bytes of a frame as a file, block by block, and nothing of what follows it."""

    def __init__(self, frame: Lz4Frame):
        # fastwarc's reader holds this object, and Python cannot see a circle through it: each frame would stay in memory.
        self._frame, self._pending = weakref.proxy(frame), b""
        self._begun = False
        self.state = MemberState.OPEN

    def read(self, size: int = -1) -> bytes:
        if not self._pending and self.state is MemberState.OPEN:
            self._pending = self._block() if self._begun else self._header()
        size = len(self._pending) if size < 0 else size
        piece, self._pending = self._pending[:size], self._pending[size:]
        return piece

    def tell(self) -> int:
        return self._frame.end

    def readable(self) -> bool:
        return True

    def drain(self) -> None:
        """Goes on to the end: what the frame says behind its last block."""
        while self.state is MemberState.OPEN:
            self._block()

    def _header(self) -> bytes:
        self._begun = True
        data = self._take(6)
        if self.state is not MemberState.OPEN:
            return data
        self._flags, self._most = data[4], _LZ4_BLOCK_BYTES.get(data[5] >> 4 & 7, 0)
        return data + self._take(1 + (8 if self._flags & 8 else 0) + (4 if self._flags & 1 else 0))

    def _block(self) -> bytes:
        head = self._take(4)
        if self.state is not MemberState.OPEN:
            return head
        size = int.from_bytes(head, "little") & 0x7FFFFFFF
        if head == b"\0\0\0\0":
            tail = self._take(4 if self._flags & 4 else 0)
            self.state = MemberState.WHOLE if self.state is MemberState.OPEN else self.state
            return head + tail
        if size > self._most:
            self.state = MemberState.DAMAGED
            return head
        return head + self._take(size + (4 if self._flags & 16 else 0))

    def _take(self, size: int) -> bytes:
        data = self._frame._next(size)
        if len(data) < size:
            self.state = MemberState.TRUNCATED
        return data


def member_at(file: IO[bytes], start: int, begin: bytes) -> Member:
    """The member or frame that begins at ``start`` with the bytes ``begin``."""
    return GzipMember(file, start) if begin.startswith(GZIP) else Lz4Frame(file, start)
