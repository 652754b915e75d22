"""URLs in one spelling, by RFC 3986, in one compiled pass over an Arrow buffer.

Two URLs that get the same spelling name the same resource for all practical purposes: case of scheme and host, default
ports, dot segments, percent-encoding (section 6.2.2 and 6.2.3), the fragment, which is never sent to a server, and, as a
choice, parameters that only track the visitor and a slash at the end of the path. The order of parameters may matter to a
server, so it stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_tasks.kernels.compilation import BYTES, OFFSETS, inlined, kernel
from curation_tasks.kernels.utf8 import text_buffers

_HEX = np.frombuffer(b"0123456789ABCDEF", np.uint8)
#: Of a byte: its value as a hexadecimal digit, 255 if it is none.
_HEX_VALUE = np.full(256, 255, np.uint8)
for _value, _digit in enumerate(b"0123456789ABCDEF"):
    _HEX_VALUE[_digit] = _HEX_VALUE[ord(chr(_digit).lower())] = _value

_UNRESERVED, _ENCODED = np.uint8(1), np.uint8(2)
#: Of a byte: ``_UNRESERVED`` (section 2.3), ``_ENCODED`` (may not stand in a URL as it is), or 0 (stays as it is). A percent sign that
#: begins no escape is encoded: before a decoded character it would begin one.
_KIND = np.zeros(256, np.uint8)
_KIND[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")] = _UNRESERVED
_KIND[[*range(33), *range(127, 256), *b'"%<>\\^`{|}']] = _ENCODED

_SLASH, _COLON, _QUESTION, _HASH, _AT, _PERCENT, _DOT, _AND, _EQUALS, _BRACKET = (np.uint8(c) for c in b"/:?#@%.&=]")


def normalize_urls(urls: pa.Array, tracking_parameters: Sequence[str] = ()) -> pa.Array:
    """The URLs in one spelling; a path ``/a/`` is the same as ``/a``.

    Args:
        urls: string or large_string, shape (rows,); nulls stay null. What is no URL goes through as well: white space at
            its ends and a fragment are dropped, percent-encoding is made uniform.
        tracking_parameters: Names of query parameters to drop, whatever their case; with ``*`` at the end, all that begin so.

    Returns:
        large_string, shape (rows,).

    Source:
        RFC 3986, sections 5.2.4, 6.2.2 and 6.2.3.
    """
    offsets, data = text_buffers(urls)
    names, name_offsets, open_ended = _names(tracking_parameters)
    # A byte becomes at most three, and an empty path becomes a slash.
    output = np.empty(3 * int(offsets[-1] - offsets[0]) + len(urls), np.uint8)
    new_offsets = np.zeros(len(urls) + 1, np.int64)
    _normalize(data, offsets, names, name_offsets, open_ended, output, new_offsets)
    validity = pc.invert(urls.is_null()).buffers()[1] if urls.null_count else None
    buffers = [validity, pa.py_buffer(new_offsets), pa.py_buffer(output[: new_offsets[-1]].copy())]
    return pa.Array.from_buffers(pa.large_string(), len(urls), buffers)


def _names(tracking_parameters: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    encoded = [name.removesuffix("*").lower().encode() for name in tracking_parameters]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(name) for name in encoded], out=offsets[1:])
    return (
        np.array(list(b"".join(encoded)), np.uint8),
        offsets,
        np.array([name.endswith("*") for name in tracking_parameters], np.bool_),
    )


@inlined
def _lower(byte):
    return byte + 32 if 65 <= byte <= 90 else byte


@inlined
def _find(data, start, end, wanted):
    at = start
    while at < end and data[at] != wanted:
        at += 1
    return at


@inlined
def _scheme_end(data, start, end):
    """Where the colon of a scheme stands (section 3.1), or ``start`` when there is none."""
    at = start
    while at < end:
        letter = 97 <= _lower(data[at]) <= 122
        other = 48 <= data[at] <= 57 or data[at] == 43 or data[at] == 45 or data[at] == 46
        if data[at] == _COLON:
            return at
        if not (letter or (other and at > start)):
            return start
        at += 1
    return start


@inlined
def _encode(data, start, end, output, to):
    """Writes a part of a URL with its percent-encoding made uniform (6.2.2.1, 6.2.2.2); returns the end of what was written."""
    at = start
    while at < end:
        byte = data[at]
        escaped = byte == _PERCENT and at + 2 < end and _HEX_VALUE[data[at + 1]] < 16 and _HEX_VALUE[data[at + 2]] < 16
        if escaped:
            byte = np.uint8(_HEX_VALUE[data[at + 1]] * 16 + _HEX_VALUE[data[at + 2]])
            at += 2
        if (escaped and _KIND[byte] != _UNRESERVED) or _KIND[byte] == _ENCODED:
            output[to], output[to + 1], output[to + 2] = _PERCENT, _HEX[byte >> 4], _HEX[byte & 15]
            to += 3
        else:
            output[to] = byte
            to += 1
        at += 1
    return to


@inlined
def _is_default_port(output, scheme_start, scheme_end, data, start, end):
    """Whether a port is empty or that of the scheme: 80 of http and ws, 443 of https and wss, 21 of ftp."""
    if start == end:
        return True
    number = 0
    for at in range(start, end):
        if not 48 <= data[at] <= 57 or number > 65535:
            return False
        number = number * 10 + data[at] - 48
    length = scheme_end - scheme_start
    first = output[scheme_start] if length else 0
    last = output[scheme_end - 1] if length else 0
    if length == 4 and first == 104:  # http
        return number == 80
    if length == 5 and first == 104:  # https
        return number == 443
    if length == 3 and first == 102:  # ftp
        return number == 21
    if length == 2 and first == 119:  # ws
        return number == 80
    return length == 3 and first == 119 and last == 115 and number == 443  # wss


@inlined
def _write_authority(data, start, end, output, to, scheme_start, scheme_end):
    """User information as it is, the host in lower case, the port unless it is the default."""
    host = start
    for at in range(start, end):
        if data[at] == _AT:
            host = at + 1
    to = _encode(data, start, host, output, to)
    host_end = end
    for at in range(host, end):
        if data[at] == _BRACKET:
            host_end = end
        elif data[at] == _COLON:
            host_end = at
    for at in range(host, host_end):
        output[to] = _lower(data[at])
        to += 1
    if host_end < end and not _is_default_port(output, scheme_start, scheme_end, data, host_end + 1, end):
        for at in range(host_end, end):
            output[to] = data[at]
            to += 1
    return to


@inlined
def _remove_dot_segments(output, start, end):
    """Section 5.2.4, in place: the path begins with a slash; returns its new end."""
    at = to = start
    while at < end:
        segment_end = _find(output, at + 1, end, _SLASH)
        length = segment_end - at - 1
        one = length == 1 and output[at + 1] == _DOT
        two = length == 2 and output[at + 1] == _DOT and output[at + 2] == _DOT
        if two:
            while to > start:
                to -= 1
                if output[to] == _SLASH:
                    break
        if not (one or two):
            for k in range(at, segment_end):
                output[to] = output[k]
                to += 1
        elif segment_end == end:
            output[to] = _SLASH
            to += 1
        at = segment_end
    return to


@inlined
def _is_tracking(output, start, end, names, name_offsets, open_ended):
    """Whether the name of a query parameter is one of the list."""
    length = _find(output, start, end, _EQUALS) - start
    for name in range(name_offsets.shape[0] - 1):
        first = name_offsets[name]
        size = name_offsets[name + 1] - first
        if length < size or (length > size and not open_ended[name]):
            continue
        same = True
        for k in range(size):
            if _lower(output[start + k]) != names[first + k]:
                same = False
                break
        if same:
            return True
    return False


@inlined
def _write_query(data, start, end, output, to, names, name_offsets, open_ended):
    """The parameters that do not track, behind a question mark unless there is none left."""
    mark = to
    at = start
    while at <= end:
        parameter_end = _find(data, at, end, _AND)
        written = to + 1
        written_end = _encode(data, at, parameter_end, output, written)
        if written_end > written and not _is_tracking(output, written, written_end, names, name_offsets, open_ended):
            output[to] = _QUESTION if to == mark else _AND
            to = written_end
        at = parameter_end + 1
    return to


@kernel(f"void({BYTES}, {OFFSETS}, uint8[::1], int64[::1], boolean[::1], uint8[::1], int64[::1])")
def _normalize(data, offsets, names, name_offsets, open_ended, output, new_offsets):
    to = 0
    for row in range(offsets.shape[0] - 1):
        start, end = offsets[row], offsets[row + 1]
        while start < end and data[start] <= 32:
            start += 1
        while end > start and data[end - 1] <= 32:
            end -= 1
        end = _find(data, start, end, _HASH)
        colon = _scheme_end(data, start, end)
        scheme_start = to
        if colon > start:
            for at in range(start, colon):
                output[to] = _lower(data[at])
                to += 1
            output[to] = _COLON
            to += 1
            start = colon + 1
        scheme_end = max(scheme_start, to - 1)
        query = _find(data, start, end, _QUESTION)
        if start + 1 < query and data[start] == _SLASH and data[start + 1] == _SLASH:
            output[to] = output[to + 1] = _SLASH
            to += 2
            path = _find(data, start + 2, query, _SLASH)
            to = _write_authority(data, start + 2, path, output, to, scheme_start, scheme_end)
            path_start = to
            to = _remove_dot_segments(output, path_start, _encode(data, path, query, output, to))
            if to == path_start:
                output[to] = _SLASH
                to += 1
            while to > path_start + 1 and output[to - 1] == _SLASH:
                to -= 1
        else:
            to = _encode(data, start, query, output, to)
        if query < end:
            to = _write_query(data, query + 1, end, output, to, names, name_offsets, open_ended)
        new_offsets[row + 1] = to
