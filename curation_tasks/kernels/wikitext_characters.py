"""Entities of the wikitext scanner's second pass: named and numeric ones become their characters."""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import inner
from curation_tasks.kernels.utf8 import encode
from curation_tasks.kernels.wikitext_brackets import SPACE, folded_letter
from curation_tasks.kernels.wikitext_output import SEMICOLON
from curation_tasks.kernels.wikitext_tables import ENTITY, find_name, write_literal

AMPERSAND, HASH = 38, 35
_LONGEST_ENTITY = 34


@inner
def entity(data, tables, at, limit, out, w):
    """At ``&``: the character of an entity that ends with ``;``, else the ampersand."""
    stop = at + 1
    while stop < limit and stop - at < _LONGEST_ENTITY and data[stop] != SEMICOLON and data[stop] > SPACE and data[stop] != AMPERSAND:
        stop += 1
    if stop < limit and data[stop] == SEMICOLON and stop > at + 2:
        if data[at + 1] == HASH:
            code = _number(data, at + 2, stop)
            if code >= 0:
                return stop + 1, encode(code, out, w)
        else:
            literal = find_name(tables, ENTITY, data, at + 1, stop)
            if literal >= 0:
                return stop + 1, write_literal(tables, literal, out, w)
    out[w] = AMPERSAND
    return at + 1, w + 1


@inner
def _number(data, start, end):
    """The code point of a numeric entity, −1 when it is none that text may have."""
    base = 10
    if folded_letter(data[start]) == 120:
        start, base = start + 1, 16
    if start == end:
        return np.int64(-1)
    code = np.int64(0)
    for at in range(start, end):
        byte = folded_letter(data[at])
        digit = byte - 48 if 48 <= byte <= 57 else byte - 87 if 97 <= byte <= 102 else np.int64(99)
        if digit >= base or code >= 0x110000:
            return np.int64(-1)
        code = code * base + digit
    if code == 160:
        return np.int64(SPACE)
    if (code < 32 and code != 9 and code != 10) or 0xD800 <= code < 0xE000 or code >= 0x110000:
        return np.int64(-1)
    return code
