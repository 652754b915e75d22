"""First pass of the wikitext scanner: where each bracket is closed, and which elements are taken whole.

The second pass jumps by these matches, so it never searches, and no text makes it search again and again: each byte is
looked at a bounded number of times, whatever is left open.
"""

from __future__ import annotations

import numpy as np

from curation_tasks.kernels.compilation import inner
from curation_tasks.kernels.utf8 import is_ascii_space
from curation_tasks.kernels.wikitext_tables import BRACKET_BIT, SPECIAL, TAG, TAG_DROP, TAG_MATH, TAG_RAW, find_name, tag_action, tag_bit

LESS, GREATER, SLASH, BANG, HYPHEN = 60, 62, 47, 33, 45
OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, PIPE = 123, 125, 91, 93, 124
NEWLINE, SPACE, TAB, COLON, ASTERISK = 10, 32, 9, 58, 42

#: A closing bracket looks through at most so many brackets that were opened later and are still open.
_LOOKED_THROUGH = 64


@inner
def folded_letter(byte):
    """A small ASCII letter for a large one; other bytes as they are."""
    return np.int64(byte) + 32 if 65 <= byte <= 90 else np.int64(byte)


@inner
def at_line_start(data, start, at):
    """Whether only blanks stand before ``at`` in its line."""
    at -= 1
    while at >= start and (data[at] == SPACE or data[at] == TAB):
        at -= 1
    return at < start or data[at] == NEWLINE


@inner
def tag_name_end(data, at, end):
    """Where the name ends that begins at ``at``; ``at`` itself when no tag's name begins there."""
    stop = at
    while stop < end and (97 <= folded_letter(data[stop]) <= 122 or (stop > at and 48 <= data[stop] <= 57)):
        stop += 1
    if stop < end and not (is_ascii_space(data[stop]) or data[stop] == GREATER or data[stop] == SLASH):
        return at
    return stop


@inner
def tag_end(data, at, end):
    """Behind the ``>`` of a tag that is open at ``at``, or −1 when another ``<`` or the end comes first."""
    while at < end and data[at] != GREATER and data[at] != LESS:
        at += 1
    return at + 1 if at < end and data[at] == GREATER else -1


@inner
def _comment_end(data, at, end):
    """Behind the comment that begins at ``at``; an open one goes to the end, as in MediaWiki."""
    at += 4
    while at + 2 < end:
        if data[at] == HYPHEN and data[at + 1] == HYPHEN and data[at + 2] == GREATER:
            return at + 3
        at += 1
    return end


@inner
def is_comment(data, at, end):
    return at + 3 < end and data[at + 1] == BANG and data[at + 2] == HYPHEN and data[at + 3] == HYPHEN


@inner
def _closing_tag_end(data, at, end, name, name_end):
    """Behind the closing tag of that name, searched from ``at`` on, or −1."""
    length = name_end - name
    while at + length + 2 < end:
        if data[at] == LESS and data[at + 1] == SLASH:
            equal = True
            for k in range(length):
                if folded_letter(data[at + 2 + k]) != folded_letter(data[name + k]):
                    equal = False
                    break
            if equal:
                stop = at + 2 + length
                while stop < end and is_ascii_space(data[stop]):
                    stop += 1
                if stop < end and data[stop] == GREATER:
                    return stop + 1
        at += 1
    return -1


@inner
def _whole_element_end(data, at, end, tables, never_closed):
    """Behind the comment or element at ``at``, when it is one that is taken whole.

    Returns:
        ``(end, never_closed)``: −1 as the end when it is none. ``never_closed`` has a bit for each tag that nothing
        closes from here on, so that no tag's end is searched in vain twice.
    """
    if is_comment(data, at, end):
        return _comment_end(data, at, end), never_closed
    name_end = tag_name_end(data, at + 1, end)
    if name_end == at + 1:
        return np.int64(-1), never_closed
    value = find_name(tables, TAG, data, at + 1, name_end)
    if value < 0:
        return np.int64(-1), never_closed
    action = tag_action(value)
    if action != TAG_DROP and action != TAG_RAW and action != TAG_MATH:
        return np.int64(-1), never_closed
    opened = tag_end(data, name_end, end)
    if opened < 0 or data[opened - 2] == SLASH:
        return np.int64(opened), never_closed
    if never_closed & tag_bit(value):
        return np.int64(-1), never_closed
    closed = _closing_tag_end(data, opened, end, at + 1, name_end)
    if closed < 0:
        never_closed |= tag_bit(value)
    return np.int64(closed), never_closed


@inner
def _opens(data, start, at, byte, following):
    """Whether ``[[``, ``{{`` or ``{|`` stands at ``at``."""
    if byte == following:
        return byte in (OPEN_BRACE, OPEN_BRACKET)
    return byte == OPEN_BRACE and following == PIPE and _begins_table(data, start, at)


@inner
def _begins_table(data, start, at):
    """Whether ``{|`` at ``at`` stands where a table may begin: at a line's start, or indented by colons and asterisks."""
    at -= 1
    while at >= start and (data[at] == COLON or data[at] == SPACE or data[at] == ASTERISK or data[at] == TAB):
        at -= 1
    return at < start or data[at] == NEWLINE


@inner
def _opener_below(data, opened, count, first, second):
    """The place on the stack of the nearest open bracket of two such bytes, or −1."""
    for depth in range(count - 1, max(-1, count - 1 - _LOOKED_THROUGH), -1):
        at = opened[depth]
        if data[at] == first and data[at + 1] == second:
            return depth
    return -1


@inner
def match_brackets(data, start, end, tables, match, opened):
    """Finds for each opening bracket its closing one.

    Args:
        data: uint8, the bytes of all pages.
        start: Where the page begins.
        end: Where it ends.
        tables: Of ``WikitextTables``.
        match: int32, shape (≥ end − start,): filled with, at ``[[``, ``{{`` and ``{|``, the place of the closing bracket
            (−1 when nothing closes it); at ``<`` of an element that is taken whole, the place behind it; elsewhere 0.
            Places are relative to ``start``.
        opened: int64, shape (≥ (end − start) // 2 + 1,): room for the brackets that are open.
    """
    match[: end - start] = 0
    special = tables[SPECIAL]
    count, never_closed, at = 0, np.int64(0), start
    single = np.int64(-1)  # a single bracket that is open, as of a link to an address
    while at < end:
        byte = data[at]
        if not special[byte] & BRACKET_BIT:
            at += 1
            continue
        if byte == LESS:
            stop, never_closed = _whole_element_end(data, at, end, tables, never_closed)
            if stop > 0:
                match[at - start] = stop - start
                at = stop
            else:
                at += 1
            continue
        if at + 1 >= end:
            break
        following = data[at + 1]
        if _opens(data, start, at, byte, following):
            match[at - start] = -1
            opened[count] = at
            count += 1
            at += 2
        elif byte == CLOSE_BRACE and following == CLOSE_BRACE:
            depth = _opener_below(data, opened, count, OPEN_BRACE, OPEN_BRACE)
            if depth >= 0:
                match[opened[depth] - start] = at - start
                count = depth
            at += 2
        elif byte == CLOSE_BRACKET and following == CLOSE_BRACKET:
            if count > 0 and data[opened[count - 1]] == OPEN_BRACKET:
                count -= 1
                if single > opened[count] and at + 2 < end and data[at + 2] == CLOSE_BRACKET:
                    at += 1  # of three in a row, the first closes the single one
                match[opened[count] - start] = at - start
            single = np.int64(-1)
            at += 2
        elif (
            byte == PIPE
            and following == CLOSE_BRACE
            and not (at + 2 < end and data[at + 2] == CLOSE_BRACE)
            and at_line_start(data, start, at)
        ):
            depth = _opener_below(data, opened, count, OPEN_BRACE, PIPE)
            if depth >= 0:
                match[opened[depth] - start] = at - start
                count = depth
            at += 2
        else:
            if byte == OPEN_BRACKET:
                single = np.int64(at)
            elif byte == CLOSE_BRACKET:
                single = np.int64(-1)
            at += 1
