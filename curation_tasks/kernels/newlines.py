"""Line breaks in one spelling, and no more of them in a row than wanted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.utf8 import string_array, text_buffers

_BLOCK = 64


def normalize_newlines(texts: pa.Array, most: int, *, carriage_returns: bool, separators: bool) -> pa.Array:
    """The texts with line feeds.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        most: Line feeds that may stand in a row; more become so many. 0 for no limit.
        carriage_returns: Whether CR LF and CR become a line feed.
        separators: Whether vertical tab, form feed, U+0085, U+2028 and U+2029 do.

    Returns:
        The same type and rows.
    """
    offsets, data = text_buffers(texts)
    written = np.empty(offsets[-1] - offsets[0], np.uint8)
    new_offsets = np.zeros(len(offsets), np.int64)
    _normalize(data, offsets, most, carriage_returns, separators, written, new_offsets)
    return string_array(texts, new_offsets, written[: new_offsets[-1]])


@inlined
def _break_width(data, at, end, carriage_returns, separators):
    """Bytes of the line break at ``at``; 0 when none is there."""
    byte = data[at]
    if byte == 10:
        return 1
    if byte == 13 and carriage_returns:
        return 2 if at + 1 < end and data[at + 1] == 10 else 1
    if separators:
        if byte == 11 or byte == 12:
            return 1
        if byte == 0xC2 and at + 1 < end and data[at + 1] == 0x85:
            return 2
        if byte == 0xE2 and at + 2 < end and data[at + 1] == 0x80 and (data[at + 2] == 0xA8 or data[at + 2] == 0xA9):
            return 3
    return 0


@kernel(f"void({BYTES}, {OFFSETS}, int64, boolean, boolean, uint8[::1], int64[::1])")
def _normalize(data, offsets, most, carriage_returns, separators, written, new_offsets):
    to = 0
    for row in range(offsets.shape[0] - 1):
        at, end = offsets[row], offsets[row + 1]
        run = 0
        while at < end:
            if at + _BLOCK <= end:
                breaks = False
                for k in range(_BLOCK):
                    byte = data[at + k]
                    breaks |= (byte <= 13) | (byte == 0xC2) | (byte == 0xE2)
                    written[to + k] = byte
                if not breaks:
                    at += _BLOCK
                    to += _BLOCK
                    run = 0
                    continue
            stop = min(at + _BLOCK, end)
            while at < stop:
                width = _break_width(data, at, end, carriage_returns, separators)
                if width:
                    run += 1
                    if most == 0 or run <= most:
                        written[to] = 10
                        to += 1
                    at += width
                else:
                    run = 0
                    written[to] = data[at]
                    to += 1
                    at += 1
        new_offsets[row + 1] = to
