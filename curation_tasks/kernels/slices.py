"""Parts of texts: from one character or marker to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.line_scan import copy, strip
from curation_tasks.kernels.utf8 import string_array, text_buffers

_NOTHING, _INDEX, _MARKER = 0, 1, 2


@dataclass(frozen=True)
class Edge:
    """One end of a slice.

    Attributes:
        at: A number of characters from the beginning, from the end where negative; or a marker; or None for the text's own end.
        include: Whether the marker belongs to the slice.
    """

    at: int | str | None
    include: bool = True

    def encoded(self) -> tuple[int, int, np.ndarray]:
        if self.at is None:
            return _NOTHING, 0, np.zeros(0, np.uint8)
        if isinstance(self.at, int):
            return _INDEX, self.at, np.zeros(0, np.uint8)
        return _MARKER, 0, np.frombuffer(self.at.encode(), np.uint8).copy()


def slice_texts(texts: pa.Array, left: Edge, right: Edge, *, stripped: bool) -> tuple[pa.Array, np.ndarray]:
    """A part of each text.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        left: Where it begins: of a marker, the first one.
        right: Where it ends: of a marker, the last one. Nothing is left where it lies before the left one.
        stripped: Whether white space at its ends goes.

    Returns:
        ``(texts, missing)``: the same type and rows; and bool, shape (rows,): true where a marker is missing. Such texts stay as
        they are.
    """
    offsets, data = text_buffers(texts)
    written = np.empty(offsets[-1] - offsets[0], np.uint8)
    new_offsets = np.zeros(len(offsets), np.int64)
    missing = np.zeros(len(texts), np.bool_)
    _slice(data, offsets, *left.encoded(), left.include, *right.encoded(), right.include, stripped, written, new_offsets, missing)
    return string_array(texts, new_offsets, written[: new_offsets[-1]]), missing & texts.is_valid().to_numpy(zero_copy_only=False)


@inlined
def _character(data, start, end, index):
    """Where the character of an index begins, counted from the end where negative, kept within the text."""
    if index >= 0:
        at = start
        while index > 0 and at < end:
            at += 1
            while at < end and (data[at] & 0xC0) == 0x80:
                at += 1
            index -= 1
        return at
    at = end
    while index < 0 and at > start:
        at -= 1
        while at > start and (data[at] & 0xC0) == 0x80:
            at -= 1
        index += 1
    return at


@inlined
def _stands_at(data, at, marker):
    for k in range(marker.shape[0]):  # noqa: SIM110 — Numba compiles no generator expressions
        if data[at + k] != marker[k]:
            return False
    return True


@inlined
def _first(data, start, end, marker):
    for at in range(start, end - marker.shape[0] + 1):
        if _stands_at(data, at, marker):
            return at
    return -1


@inlined
def _last(data, start, end, marker):
    at = end - marker.shape[0]
    while at >= start:
        if _stands_at(data, at, marker):
            return at
        at -= 1
    return -1


@kernel(
    f"void({BYTES}, {OFFSETS}, int64, int64, uint8[::1], boolean, int64, int64, uint8[::1], boolean, boolean, uint8[::1], int64[::1], "
    "boolean[::1])"
)
def _slice(
    data,
    offsets,
    left,
    left_index,
    left_marker,
    left_in,
    right,
    right_index,
    right_marker,
    right_in,
    stripped,
    written,
    new_offsets,
    missing,
):
    to = 0
    for row in range(offsets.shape[0] - 1):
        start, end = offsets[row], offsets[row + 1]
        begin, finish = start, end
        if left == _INDEX:
            begin = _character(data, start, end, left_index)
        elif left == _MARKER:
            begin = _first(data, start, end, left_marker)
            missing[row] = begin < 0
            begin += 0 if left_in else left_marker.shape[0]
        if right == _INDEX:
            finish = _character(data, start, end, right_index)
        elif right == _MARKER:
            finish = _last(data, start, end, right_marker)
            missing[row] |= finish < 0
            finish += right_marker.shape[0] if right_in else 0
        if missing[row]:
            begin, finish = start, end
        else:
            finish = max(begin, finish)
            if stripped:
                begin, finish = strip(data, begin, finish)
        to = copy(data, begin, finish, written, to)
        new_offsets[row + 1] = to
