"""Replaces characters by ASCII characters, in one pass over an Arrow buffer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.utf8 import decode, string_array, text_buffers, width_of

#: Bytes looked at in one step by the loop that the compiler turns into vector instructions.
_BLOCK = 32


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
    leads = np.array(sorted({character.encode()[0] for character in replacements}), np.uint8)
    offsets, data = text_buffers(texts)
    if _first_match(data, offsets[0], offsets[-1], leads, searched) == offsets[-1]:
        return texts, 0
    new_data = np.empty(offsets[-1] - offsets[0], np.uint8)
    new_offsets = np.zeros(len(offsets), np.int64)
    _replace(data, offsets, leads, searched, bytes_for, new_data, new_offsets)
    changed = int(np.count_nonzero(np.diff(new_offsets) != np.diff(offsets)))
    return string_array(texts, new_offsets, new_data[: new_offsets[-1]]), changed


@inlined
def _next_lead(data, at, end, leads):
    """The first position from ``at`` on whose byte may begin a searched character, or ``end``."""
    while at + _BLOCK <= end:
        found = False
        for lead in leads:
            for k in range(_BLOCK):
                found |= data[at + k] == lead
        if found:
            break
        at += _BLOCK
    while at < end:
        for lead in leads:
            if data[at] == lead:
                return at
        at += 1
    return end


@inlined
def _next_match(data, at, end, leads, searched):
    """Where the next searched character begins, and its index; ``end`` and −1 when there is none."""
    while at < end:
        at = _next_lead(data, at, end, leads)
        if at == end:
            break
        width = width_of(data[at])
        code = decode(data, at, width, end)
        for k in range(searched.shape[0]):
            if searched[k] == code:
                return at, k
        at += 1
    return end, -1


@kernel(f"int64({BYTES}, int64, int64, uint8[::1], int64[::1])")
def _first_match(data, start, end, leads, searched):
    return _next_match(data, start, end, leads, searched)[0]


@kernel(f"void({BYTES}, {OFFSETS}, uint8[::1], int64[::1], uint8[::1], uint8[::1], int64[::1])")
def _replace(data, offsets, leads, searched, bytes_for, new_data, new_offsets):
    to = 0
    for row in range(offsets.shape[0] - 1):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            match, index = _next_match(data, at, end, leads, searched)
            for k in range(match - at):
                new_data[to + k] = data[at + k]
            to += match - at
            at = match
            if index >= 0:
                new_data[to] = bytes_for[index]
                to += 1
                at += width_of(data[at])
        new_offsets[row + 1] = to
