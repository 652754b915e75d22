"""The lines of a file of JSON Lines: cut into blocks, found as arrays, and looked over before they are parsed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation_tasks.sources.files import ByteStream
from curation_tasks.sources.records import RAW_BYTES

BLOCK_BYTES = 8 * 2**20

_WHITESPACE = b" \t\r\n"
_NEWLINE, _CARRIAGE_RETURN, _OPENING, _CLOSING = b"\n\r{}"


@dataclass(frozen=True)
class Block:
    """Whole lines, the first of which has the number ``first_line``; or the beginning of a line too long to be held."""

    first_line: int
    data: bytes
    cut: bool = False


def blocks(stream: ByteStream, max_line_bytes: int) -> Iterator[Block]:
    """A stream in blocks of whole lines. Of a line that is longer than the bound and than a block, the beginning is a block of its own."""
    held: list[bytes] = []
    held_bytes, line, skipping = 0, 1, False
    while chunk := stream.read(BLOCK_BYTES):
        if line == 1 and not held and not skipping:
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        if skipping:
            end = chunk.find(b"\n") + 1
            if end == 0:
                continue
            chunk, line, skipping = chunk[end:], line + 1, False
        end = chunk.rfind(b"\n") + 1
        if end:
            data = b"".join([*held, chunk[:end]])
            yield Block(line, data)
            line += data.count(b"\n")
            held, held_bytes = [], 0
        held.append(chunk[end:])
        held_bytes += len(chunk) - end
        if held_bytes > max_line_bytes + BLOCK_BYTES:
            yield Block(line, b"".join(held)[:RAW_BYTES], cut=True)
            held, held_bytes, skipping = [], 0, True
    if held_bytes:
        yield Block(line, b"".join(held))


@dataclass(frozen=True)
class Lines:
    """The lines of a block that are not blank.

    Attributes:
        data: The block's bytes.
        starts: int64, shape (lines,): first byte of each.
        ends: int64, shape (lines,): first byte behind each, its line end not counted.
        numbers: int64, shape (lines,): from 1.
        cut: The block is the beginning of one line.
    """

    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    numbers: np.ndarray
    cut: bool

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> bytes:
        return self.data[self.starts[row] : self.ends[row]]

    def raw(self, row: int) -> str:
        """The beginning of a line, with what is not UTF-8 replaced."""
        start = self.starts[row]
        return self.data[start : min(self.ends[row], start + RAW_BYTES)].decode("utf-8", "replace")


def lines_of(block: Block) -> tuple[Lines, int]:
    """The lines of a block that are not blank, and how many are."""
    data = np.frombuffer(block.data, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    if len(data) and (len(ends) == 0 or ends[-1] != len(data) - 1):
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    ends = ends - ((ends > starts) & (data[np.maximum(ends, 1) - 1] == _CARRIAGE_RETURN))
    blank = ends == starts
    for row in np.flatnonzero(~blank & np.isin(data[np.minimum(starts, len(data) - 1)], list(_WHITESPACE))).tolist():
        blank[row] = not block.data[starts[row] : ends[row]].strip(_WHITESPACE)
    rows = np.flatnonzero(~blank)
    return Lines(block.data, starts[rows], ends[rows], block.first_line + rows, block.cut), int(blank.sum())


def is_regular(lines: Lines, max_line_bytes: int) -> bool:
    """Whether every line begins with ``{`` and ends with ``}``, none is too long, and all is UTF-8 without NUL.

    With as many objects as lines, each line then is one object: between ``}`` and ``{`` of two lines JSON would need a comma
    if they were parts of one.
    """
    if lines.cut or len(lines) == 0 or b"\0" in lines.data:
        return False
    data = np.frombuffer(lines.data, np.uint8)
    regular = (data[lines.starts] == _OPENING) & (data[lines.ends - 1] == _CLOSING) & (lines.ends - lines.starts <= max_line_bytes)
    return bool(regular.all()) and _is_utf8(lines.data)


def _is_utf8(data: bytes) -> bool:
    whole = pa.LargeStringArray.from_buffers(1, pa.py_buffer(np.array([0, len(data)], np.int64)), pa.py_buffer(data))
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
