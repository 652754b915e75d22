"""URLs in running text: found and replaced in a compiled loop.

A URL begins with ``http://``, ``https://``, ``ftp://`` or ``www.`` (in any case) where no letter, digit or underscore of ASCII stands
before it, and goes on to white space, a control character or one of ``< > " ` { } | \\ ^`` and the quotes U+00AB, U+00BB, U+2018 to U+201F.
What then ends a sentence or a bracket rather than the URL does not belong to it: ``. , ; : ! ? ' * _ ~``, and closing brackets that have
no opening one in the URL. Behind ``://`` or ``www.`` at least one character must be left.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.line_scan import copy
from curation_tasks.kernels.phrases import lower
from curation_tasks.kernels.utf8 import is_wide_space, string_array, text_buffers

_COLON, _SLASH, _DOT, _SPACE, _LETTER_W = 0x3A, 0x2F, 0x2E, 0x20, 0x77
_ENDS, _TRAILING = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
_ENDS[[*range(32), 127, *b' <>"`{}|\\^']] = True
_TRAILING[list(b".,;:!?'*_~")] = True
_BLOCK = 64


def remove_urls(texts: pa.Array, replacement: str = "") -> tuple[pa.Array, np.ndarray]:
    """The texts with another word for each URL.

    Args:
        texts: string or large_string, shape (rows,); nulls stay null.
        replacement: What stands for a URL. Where it is empty, of two spaces around a URL one goes too.

    Returns:
        ``(texts, removed)``: the same type and rows, and the number of URLs of each, int64, shape (rows,). The very array that was
        given when it holds none.
    """
    offsets, data = text_buffers(texts)
    word = np.frombuffer(replacement.encode(), np.uint8)
    found = np.zeros(len(texts), np.int64)
    _count(data, offsets, found)
    if not found.any():
        return texts, found
    # A URL has at least five bytes; what a longer replacement needs beyond them is added for each.
    written = np.empty(offsets[-1] - offsets[0] + int(found.sum()) * max(0, len(word) - 5), np.uint8)
    new_offsets = np.zeros(len(offsets), np.int64)
    _replace(data, offsets, word, written, new_offsets)
    return string_array(texts, new_offsets, written[: new_offsets[-1]]), found


@inlined
def _is_word_byte(byte):
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte == 0x5F


@inlined
def _is_wide_end(data, at, end):
    """Whether a character beyond ASCII ends a URL: white space, a control character or a quotation mark."""
    if is_wide_space(data, at, end):
        return True
    lead = data[at]
    if lead == 0xC2 and at + 1 < end:
        return data[at + 1] < 0xA0 or data[at + 1] == 0xAB or data[at + 1] == 0xBB
    return lead == 0xE2 and at + 2 < end and data[at + 1] == 0x80 and 0x98 <= data[at + 2] <= 0x9F


@inlined
def _scheme_begin(data, start, colon):
    """Where the scheme begins whose colon this is; −1 when it is none that we look for."""
    if colon - start >= 5 and lower(data[colon - 1]) == 115 and _is_http(data, colon - 5):
        return colon - 5
    if colon - start >= 4 and _is_http(data, colon - 4):
        return colon - 4
    if colon - start >= 3 and lower(data[colon - 3]) == 102 and lower(data[colon - 2]) == 116 and lower(data[colon - 1]) == 112:
        return colon - 3
    return -1


@inlined
def _is_http(data, at):
    return lower(data[at]) == 104 and lower(data[at + 1]) == 116 and lower(data[at + 2]) == 116 and lower(data[at + 3]) == 112


@inlined
def _trimmed(data, begin, body, at):
    """Where a URL ends that reaches to ``at`` at most; ``body`` is where its scheme ends."""
    while at > body:
        last = data[at - 1]
        if _TRAILING[last]:
            at -= 1
            continue
        opening = 40 if last == 41 else (91 if last == 93 else 0)  # ( for ), [ for ]
        if opening == 0:
            break
        depth = 0
        for k in range(body, at):
            depth += (data[k] == opening) - np.int64(data[k] == last)
        if depth >= 0:
            break
        at -= 1
    return at


@inlined
def _url_at(data, start, at, end):
    """``(begin, after)`` of the URL that the byte at ``at`` (a colon, or the w of ``www.``) belongs to; ``after`` −1 for none."""
    byte = data[at]
    if byte == _COLON:
        if at + 2 >= end or data[at + 1] != _SLASH or data[at + 2] != _SLASH:
            return at, -1
        begin, body = _scheme_begin(data, start, at), at + 3
        if begin < 0:
            return at, -1
    else:
        if at + 3 >= end or lower(data[at + 1]) != _LETTER_W or lower(data[at + 2]) != _LETTER_W or data[at + 3] != _DOT:
            return at, -1
        begin, body = at, at + 4
    if begin > start and _is_word_byte(data[begin - 1]):
        return at, -1
    after = body
    while after < end and not _ENDS[data[after]] and not (data[after] >= 0x80 and _is_wide_end(data, after, end)):
        after += 1
    after = _trimmed(data, begin, body, after)
    return begin, after if after > body else -1


@inlined
def _next_url(data, start, at, end):
    """``(begin, after)`` of the next URL from ``at`` on; ``(end, −1)`` when there is none."""
    while at < end:
        if at + _BLOCK <= end:
            none = True
            for k in range(_BLOCK):
                byte = data[at + k]
                none &= (byte != _COLON) & ((byte | 0x20) != _LETTER_W)
            if none:
                at += _BLOCK
                continue
        stop = min(at + _BLOCK, end)
        while at < stop:
            if data[at] == _COLON or (data[at] | 0x20) == _LETTER_W:
                begin, after = _url_at(data, start, at, end)
                if after >= 0:
                    return begin, after
            at += 1
    return end, -1


@kernel(f"void({BYTES}, {OFFSETS}, int64[::1])")
def _count(data, offsets, found):
    for row in range(offsets.shape[0] - 1):
        start, end = offsets[row], offsets[row + 1]
        at = start
        while at < end:
            _, after = _next_url(data, start, at, end)
            if after < 0:
                break
            found[row] += 1
            at = start = after


@kernel(f"void({BYTES}, {OFFSETS}, {BYTES}, uint8[::1], int64[::1])")
def _replace(data, offsets, word, written, new_offsets):
    to = 0
    for row in range(offsets.shape[0] - 1):
        begin_of_text, end = offsets[row], offsets[row + 1]
        start = at = begin_of_text
        while at < end:
            begin, after = _next_url(data, start, at, end)
            to = copy(data, at, begin, written, to)
            if after < 0:
                break
            to = copy(word, 0, word.shape[0], written, to)
            alone = word.shape[0] == 0 and begin > begin_of_text and data[begin - 1] == _SPACE
            if alone and after < end and data[after] == _SPACE:
                at = after + 1
            else:
                at = after
            start = after
        new_offsets[row + 1] = to
