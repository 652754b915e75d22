"""Single characters removed or replaced by a space, in one pass over an Arrow buffer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.line_scan import copy
from curation_tasks.kernels.utf8 import character_before, decode, string_array, text_buffers, width_of

#: What happens to a character: it stays, goes, becomes a space, or stays where it joins (a joiner: see ``remove_characters``).
KEEP, REMOVE, TO_SPACE, JOINER = 0, 1, 2, 3
#: Set in an action: a joiner behind this character has work to do; it is passed over when one looks for what stands before a joiner.
JOINED, TRANSPARENT = 16, 32
CODE_POINTS = 0x110000
_BLOCK = 32


def remove_characters(texts: pa.Array, actions: np.ndarray) -> tuple[pa.Array, int]:
    """The texts without some characters.

    A joiner stays where the character before it, transparent ones passed over, is ``JOINED``, and goes elsewhere.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        actions: uint8, shape (0x110000,): what happens to each code point, with the two flags.

    Returns:
        ``(texts, changed)``: the same type and rows, and the number of rows that differ. The very array that was given when nothing
        is to be removed.
    """
    concerned = np.flatnonzero(actions & 15)
    leads = np.zeros(256, np.bool_)
    leads[[chr(code).encode("utf-8", "surrogatepass")[0] for code in concerned.tolist()]] = True
    offsets, data = text_buffers(texts)
    if _first(data, offsets[0], offsets[-1], leads, actions) == offsets[-1]:
        return texts, 0
    written = np.empty(offsets[-1] - offsets[0], np.uint8)
    new_offsets = np.zeros(len(offsets), np.int64)
    changed = _remove(data, offsets, leads, actions, written, new_offsets)
    return (string_array(texts, new_offsets, written[: new_offsets[-1]]), changed) if changed else (texts, 0)


@inlined
def _next_lead(data, at, end, leads):
    """The first position from ``at`` on whose byte may begin a character with an action, or ``end``."""
    while at < end:
        if at + _BLOCK <= end:
            # Printable ASCII, tab and line feed: nearly all text in most languages, and a loop that becomes vector instructions.
            plain = True
            for k in range(_BLOCK):
                byte = data[at + k]
                plain &= ((byte >= 32) & (byte < 127)) | (byte == 10) | (byte == 9)
            if plain:
                at += _BLOCK
                continue
        stop = min(at + _BLOCK, end)
        while at < stop:
            if leads[data[at]]:
                return at
            at += 1
    return end


@kernel(f"int64({BYTES}, int64, int64, boolean[::1], uint8[::1])")
def _first(data, at, end, leads, actions):
    while at < end:
        at = _next_lead(data, at, end, leads)
        if at < end:
            width = width_of(data[at])
            if actions[decode(data, at, width, end)] & 15 != KEEP:
                return at
            at += width
    return end


@inlined
def _joins(written, begin, to, actions):
    """Whether what stands before a joiner is of a kind that it joins."""
    while to > begin:
        to_before = character_before(written, begin, to)
        action = actions[decode(written, to_before, to - to_before, to)]
        if action & TRANSPARENT == 0:
            return action & JOINED != 0
        to = to_before
    return False


@kernel(f"int64({BYTES}, {OFFSETS}, boolean[::1], uint8[::1], uint8[::1], int64[::1])")
def _remove(data, offsets, leads, actions, written, new_offsets):
    to = changed = 0
    for row in range(offsets.shape[0] - 1):
        at, end, begin = offsets[row], offsets[row + 1], to
        touched = False
        while at < end:
            found = _next_lead(data, at, end, leads)
            to = copy(data, at, found, written, to)
            at = found
            if at == end:
                break
            width = width_of(data[at])
            action = actions[decode(data, at, width, end)] & 15
            if action == KEEP or (action == JOINER and _joins(written, begin, to, actions)):
                to = copy(data, at, min(at + width, end), written, to)
            else:
                touched = True
                if action == TO_SPACE:
                    written[to] = 32
                    to += 1
            at += width
        changed += touched
        new_offsets[row + 1] = to
    return changed
