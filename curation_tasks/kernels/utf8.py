"""UTF-8 in compiled loops: characters and white space.

Every function stays within ``[start, end)`` of the row it is given, whatever the bytes: text that is not valid UTF-8
gives wrong characters, never a read outside the row.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.kernels.compilation import inlined
from curation_tasks.storage.shard import string_buffers

#: What ``decode`` gives for a sequence that is cut off.
INVALID = 0x10FFFF


def text_buffers(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The offsets and bytes of texts, as the kernels take them.

    Args:
        texts: string, large_string or anything that casts to string, shape (rows,); sliced or not. Nulls are read as
            empty texts.

    Returns:
        ``(offsets, data)``: int64, shape (rows + 1,), and uint8. The bytes are not copied (except to empty the nulls).
    """
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        texts = texts.cast(pa.large_string())
    if texts.null_count:
        texts = pc.fill_null(texts, "")
    offsets, data = string_buffers(texts)
    offsets = offsets.astype(np.int64)
    for array in (offsets, data):
        array.flags.writeable = False
    return offsets, data


def string_array(like: pa.Array, offsets: np.ndarray, data: np.ndarray) -> pa.Array:
    """Texts that a kernel wrote, as an array of the type and validity of those that it read.

    Args:
        like: The texts that were read, shape (rows,); null rows stay null. What is no string comes back as a large string.
        offsets: int64, shape (rows + 1,), beginning with 0.
        data: uint8: valid UTF-8.
    """
    large = not pa.types.is_string(like.type)
    kind, width = (pa.large_string(), np.int64) if large else (pa.string(), np.int32)
    # Packing the bits anew puts those of a slice at the beginning of their buffer.
    validity = pc.invert(like.is_null()).buffers()[1] if like.null_count else None
    return pa.Array.from_buffers(kind, len(like), [validity, pa.py_buffer(offsets.astype(width)), pa.py_buffer(data)])


@inlined
def width_of(lead):
    """Bytes of the character that begins with ``lead``; a stray continuation byte counts as one."""
    if lead < 0xC0:
        return 1
    if lead < 0xE0:
        return 2
    if lead < 0xF0:
        return 3
    return 4


@inlined
def decode(data, at, width, end):
    """The code point of the character at ``at``."""
    if at + width > end:
        return INVALID
    code = np.int64(data[at])
    if width == 1:
        return code
    code &= 0x7F >> width
    for k in range(1, width):
        code = (code << 6) | (np.int64(data[at + k]) & 0x3F)
    return min(code, INVALID)


@inlined
def encode(code, out, to):
    """Writes a code point as UTF-8.

    Returns:
        The place behind it.
    """
    if code < 0x80:
        out[to] = code
        return to + 1
    if code < 0x800:
        out[to], out[to + 1] = 0xC0 | (code >> 6), 0x80 | (code & 0x3F)
        return to + 2
    if code < 0x10000:
        out[to], out[to + 1], out[to + 2] = 0xE0 | (code >> 12), 0x80 | ((code >> 6) & 0x3F), 0x80 | (code & 0x3F)
        return to + 3
    out[to], out[to + 1] = 0xF0 | (code >> 18), 0x80 | ((code >> 12) & 0x3F)
    out[to + 2], out[to + 3] = 0x80 | ((code >> 6) & 0x3F), 0x80 | (code & 0x3F)
    return to + 4


@inlined
def character_before(data, start, at):
    """Where the character begins that ends at ``at``; ``at`` must be beyond ``start``."""
    at -= 1
    while at > start and (data[at] & 0xC0) == 0x80:
        at -= 1
    return at


@inlined
def is_ascii_space(byte):
    """ASCII white space as Python's ``str.isspace`` has it, the separators U+001C to U+001F included."""
    return byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31


@inlined
def is_wide_space(data, at, end):
    """Whether a character that is not ASCII is white space: those of Python's ``str.isspace``, fixed since Unicode 6.3."""
    lead = data[at]
    if lead == 0xC2:  # U+0085, U+00A0
        return at + 1 < end and (data[at + 1] == 0x85 or data[at + 1] == 0xA0)
    if at + 2 >= end:
        return False
    second, third = data[at + 1], data[at + 2]
    if lead == 0xE2:
        if second == 0x80:  # U+2000 to U+200A, U+2028, U+2029, U+202F
            return third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF
        return second == 0x81 and third == 0x9F  # U+205F
    if lead == 0xE3:  # U+3000
        return second == 0x80 and third == 0x80
    return lead == 0xE1 and second == 0x9A and third == 0x80  # U+1680
