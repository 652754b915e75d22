"""Replaces characters by ASCII characters, in one pass over an Arrow buffer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.utf8 import decode, skip_ascii, text_buffers, width_of


def replace_characters(texts: pa.Array, replacements: Mapping[str, str]) -> tuple[pa.Array, int]:
    """Replaces single characters that are not ASCII by ASCII characters.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        replacements: Character → ASCII character.

    Returns:
        ``(texts, changed)``: the same type and rows, and the number of rows that differ. The very array that was given
        when nothing is to be replaced.
    """
    searched = np.array([ord(character) for character in replacements], np.int64)
    bytes_for = np.array([ord(character) for character in replacements.values()], np.uint8)
    offsets, data = text_buffers(texts)
    if len(texts) == 0 or _first_match(data, offsets[0], offsets[-1], searched) == offsets[-1]:
        return texts, 0
    new_data = np.empty(offsets[-1] - offsets[0], np.uint8)
    new_offsets = np.zeros(len(offsets), np.int64)
    _replace(data, offsets, searched, bytes_for, new_data, new_offsets)
    changed = int(np.count_nonzero(np.diff(new_offsets) != np.diff(offsets)))
    return _array(texts, new_offsets, new_data[: new_offsets[-1]]), changed


def _array(like: pa.Array, offsets: np.ndarray, data: np.ndarray) -> pa.Array:
    """A string array of the type and validity of another."""
    large = not pa.types.is_string(like.type)
    kind, width = (pa.large_string(), np.int64) if large else (pa.string(), np.int32)
    # Packing the bits anew puts those of a slice at the beginning of their buffer.
    validity = pc.invert(like.is_null()).buffers()[1] if like.null_count else None
    return pa.Array.from_buffers(kind, len(like), [validity, pa.py_buffer(offsets.astype(width)), pa.py_buffer(data)])


@inlined
def _index(searched, code):
    for k in range(searched.shape[0]):
        if searched[k] == code:
            return k
    return -1


@kernel(f"int64({BYTES}, int64, int64, int64[::1])")
def _first_match(data, start, end, searched):
    at = start
    while at < end:
        at = skip_ascii(data, at, end)
        if at >= end:
            break
        width = width_of(data[at])
        if _index(searched, decode(data, at, width, end)) >= 0:
            return at
        at += width
    return end


@kernel(f"void({BYTES}, {OFFSETS}, int64[::1], uint8[::1], uint8[::1], int64[::1])")
def _replace(data, offsets, searched, bytes_for, new_data, new_offsets):
    to = 0
    for row in range(offsets.shape[0] - 1):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            plain = skip_ascii(data, at, end)
            for k in range(plain - at):
                new_data[to + k] = data[at + k]
            to += plain - at
            at = plain
            if at >= end:
                break
            width = min(width_of(data[at]), end - at)
            found = _index(searched, decode(data, at, width, end))
            if found >= 0:
                new_data[to] = bytes_for[found]
                to += 1
            else:
                for k in range(width):
                    new_data[to + k] = data[at + k]
                to += width
            at += width
        new_offsets[row + 1] = to
